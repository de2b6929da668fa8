// TOML as CodeMirror reads it, line by line, with the expressions inside of texts seen as such.
import type { StreamParser, StringStream } from "@codemirror/language";

interface Where { text: "" | '"' | "'" | '"""' | "'''"; inExpression: boolean; isKey: boolean; depth: number }

function inText(stream: StringStream, state: Where): string {
  if (state.inExpression) {
    while (!stream.eol()) {
      const sign = stream.next();
      if (sign === "{") ++state.depth;
      if (sign === "}" && --state.depth === 0) {
        state.inExpression = false;
        break;
      }
    }
    return "string.special";
  }
  const quote = state.text;
  while (!stream.eol()) {
    if (stream.match("${", false)) {
      if (stream.pos > stream.start) return "string";
      stream.match("${");
      state.inExpression = true;
      state.depth = 1;
      return "string.special";
    }
    if (quote.startsWith('"') && stream.match("\\")) {
      stream.next();
      continue;
    }
    if (quote !== "" && stream.match(quote)) {
      state.text = "";
      return "string";
    }
    stream.next();
  }
  if (quote.length === 1) state.text = ""; // such a text ends with its line
  return "string";
}

export const toml: StreamParser<Where> = {
  name: "workflow",
  startState: () => ({ text: "", inExpression: false, isKey: true, depth: 0 }),
  token(stream, state) {
    if (state.text !== "") return inText(stream, state);
    if (stream.sol()) state.isKey = true;
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.sol() || stream.string.slice(0, stream.pos).trim() === "") {
      if (stream.match(/^\[\[?[^\]]*\]\]?/)) return "heading";
    }
    const quote = stream.match(/^("""|'''|"|')/) as RegExpMatchArray | null;
    if (quote) {
      state.text = quote[1] as Where["text"];
      return "string";
    }
    if (stream.match(/^[A-Za-z0-9_-]+(?=\s*[.=])/)) return "propertyName";
    if (stream.match(/^(true|false)\b/)) return "bool";
    if (stream.match(/^[+-]?[\d_][\d_.:TZ+-]*/)) return "number";
    if (stream.match(/^[={}[\],.]/)) return "operator";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
};
