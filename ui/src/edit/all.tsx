// The editor of workflow files: checked as you type by the server, with the same words as `baton check`; the graph beside
// it is that of the text as it stands. Nothing is checked a second time here.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, indentOnInput, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, nextDiagnostic, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, may, post, put } from "../api";
import { plural } from "../format";
import type { Props } from "../pages";
import { ask, Failure, Page, Panel, State } from "../parts";
import { enc, go } from "../router";
import { GraphView } from "../work/graph";
import type { WorkflowTold } from "../work/start";
import type { Graph } from "../work/types";
import { toml } from "./toml";

interface Told { severity: "error" | "warning"; line: number; column: number; length?: number; message: string; fix?: string }
interface Checked { ok: boolean; name: string | null; diagnostics: Told[]; graph: Graph | null }

const fresh = `workflow    = "hello"
description = "What it is for, in a sentence."

[input]
name = { type = "string", required = true }

[[step]]
id = "greet"
set = { text = "Hello \${input.name}" }

[output]
text = "\${greet.text}"
`;

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--dim)" }, { tag: tags.string, color: "var(--good)" }, { tag: tags.number, color: "var(--warn)" }, { tag: tags.bool, color: "var(--warn)" },
  { tag: tags.heading, color: "var(--accent)", fontWeight: "600" }, { tag: tags.propertyName, color: "var(--text)", fontWeight: "550" }, { tag: tags.special(tags.string), color: "var(--wait)" }, { tag: tags.operator, color: "var(--dim)" },
]);
const look = EditorView.theme({
  "&": { backgroundColor: "var(--panel)", color: "var(--text)", height: "100%", fontSize: "13px" }, ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "var(--back)", color: "var(--dim)", border: "0" }, ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--raised) 50%, transparent)" }, ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 25%, transparent) !important" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--panel)", color: "var(--text)", borderColor: "var(--line)" }, ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-back)", color: "var(--text)" },
  ".cm-diagnostic": { borderLeftColor: "var(--bad)" }, ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
});

const words = ["workflow", "description", "timeout", "on_failure", "on_cancel", "priority", "retention", "id", "task", "with", "when", "after", "retry", "catch", "compensate", "verify", "cache", "http", "transform", "for_each", "switch", "set", "wait", "signal", "approval", "output", "go", "max_attempts", "initial_interval", "max_interval"];

export function Edit({ at }: Props): JSX.Element {
  const isNew = at.name === "new";
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const checked = useSignal<Checked | null>(null);
  const tag = useRef<string | null>(null);
  const live = useRef<WorkflowTold | null>(null);
  const failure = useSignal<unknown>(null);
  const isDirty = useSignal(false);
  const canCheck = useSignal(true);

  useEffect(() => {
    let isOver = false;
    let timer = 0;
    let number = 0;
    let tasks: string[] = [];
    void get<{ task: string }[]>("/api/tasks").then((all) => (tasks = [...new Set(all.map((one) => one.task))]), () => null);
    const check = async (): Promise<void> => {
      const mine = ++number;
      const editor = view.current;
      if (!editor || !canCheck.peek()) return;
      try {
        const told = await post<Checked>("/baton/v1/workflows/check", { source: editor.state.doc.toString(), file: (isNew ? "new" : at.name) + ".toml" });
        if (isOver || mine !== number) return;
        // What is wrong leaves the last graph that could be drawn where it is.
        checked.value = { ...told, graph: told.graph ?? checked.peek()?.graph ?? null };
        editor.dispatch(setDiagnostics(editor.state, told.diagnostics.map((one) => diagnosticOf(editor.state, one))));
      } catch (error) {
        if ((error as { status?: number }).status === 404) canCheck.value = false;
        else failure.value = error;
      }
    };
    const complete = (context: CompletionContext): CompletionResult | null => {
      const before = context.matchBefore(/[\w.-]*/);
      if (!before || (before.from === before.to && !context.explicit)) return null;
      const line = context.state.doc.lineAt(context.pos).text.slice(0, context.pos - context.state.doc.lineAt(context.pos).from);
      const text = context.state.doc.toString();
      const ids = [...text.matchAll(/^\s*id\s*=\s*"([^"]+)"/gm)].map((found) => found[1]!);
      const inputs = [...(/^\[input\]\n((?:[^[].*\n?|\n)*)/m.exec(text)?.[1] ?? "").matchAll(/^(\w+)\s*=/gm)].map((found) => "input." + found[1]);
      const options = /task\s*=\s*"[^"]*$/.test(line) ? tasks : /\$\{[^}]*$|(when|after|go)\s*=\s*.*"[^"]*$/.test(line) ? [...ids, ...inputs] : /^\s*\w*$/.test(line) ? words : [];
      return options.length === 0 ? null : { from: before.from, options: options.map((label) => ({ label })) };
    };
    const begin = (source: string): void => {
      if (isOver || !box.current) return;
      view.current = new EditorView({
        parent: box.current,
        state: EditorState.create({
          doc: source,
          extensions: [
            lineNumbers(), history(), drawSelection(), indentOnInput(), closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), lintGutter(), autocompletion({ override: [complete] }),
            StreamLanguage.define(toml), syntaxHighlighting(colours), look, EditorView.lineWrapping, EditorState.readOnly.of(!may.deploy()), EditorView.contentAttributes.of({ "aria-label": "Workflow file" }),
            keymap.of([{ key: "Mod-s", run: () => (deploy(), true) }, { key: "F8", run: nextDiagnostic }, ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
            EditorView.updateListener.of((update) => {
              if (!update.docChanged) return;
              isDirty.value = true;
              clearTimeout(timer);
              timer = window.setTimeout(() => void check(), 150);
            }),
          ],
        }),
      });
      void check();
    };
    if (isNew) begin(fresh);
    else
      get<WorkflowTold>("/baton/v1/workflows/" + enc(at.name!)).then((told) => {
        live.current = told;
        tag.current = told.etag ?? null;
        begin(told.source ?? "");
      }, (error: unknown) => (failure.value = error));
    const warn = (event: BeforeUnloadEvent): void => {
      if (isDirty.peek()) event.preventDefault();
    };
    addEventListener("beforeunload", warn);
    return () => {
      isOver = true;
      clearTimeout(timer);
      removeEventListener("beforeunload", warn);
      view.current?.destroy();
    };
  }, []);

  const deploy = (): void => {
    const source = view.current?.state.doc.toString() ?? "";
    const name = checked.peek()?.name ?? /^\s*workflow\s*=\s*"([^"]+)"/m.exec(source)?.[1] ?? at.name!;
    ask({
      title: `Deploy ${name}`,
      preview: live.current ? <><p>Runs that start from now on are of the new version; runs that go on keep theirs.</p><pre class="diff">{lineDiff(live.current.source ?? "", source)}</pre></> : <p>A new workflow.</p>,
      verb: "Deploy",
      run: async () => {
        let done: { workflow: string; version: number; new: boolean };
        try {
          done = await put(`/baton/v1/workflows/${enc(name)}`, { source, file: (live.current?.file ?? name + ".toml") }, tag.current ? { "If-Match": `"${tag.current}"` } : {});
        } catch (error) {
          const status = (error as { status?: number }).status;
          if (status === 412) throw new Error("Somebody has deployed another version meanwhile. Load the page again to see it; your text is in the editor until you do.");
          if (status !== 404 && status !== 405) throw error;
          done = await post("/api/workflows", { source, file: name + ".toml" });
        }
        isDirty.value = false;
        setTimeout(() => go("/workflows/" + enc(done.workflow)));
      },
    });
  };

  const errors = checked.value?.diagnostics.filter((one) => one.severity === "error").length ?? 0;
  const warnings = (checked.value?.diagnostics.length ?? 0) - errors;
  return (
    <Page title={isNew ? "New workflow" : at.name!} of={<><a href="/workflows">Workflows</a> / editor</>}
      state={!canCheck.value ? <span class="dim">checked when it is deployed</span> : checked.value ? <State of={errors ? "failing" : warnings ? "degraded" : "ok"} word={errors ? plural(errors, "mistake") : warnings ? plural(warnings, "warning") : "good"} /> : null}
      acts={may.deploy() ? <button type="button" class="primary" disabled={errors > 0} onClick={deploy}>Deploy</button> : null}>
      <Failure of={failure.value} />
      <div class="edit">
        <Panel><div ref={box} class="editor" /></Panel>
        <div>
          <Panel title="What is wrong">
            {checked.value?.diagnostics.length ? (
              <ul class="diagnostics">
                {checked.value.diagnostics.map((one, i) => (
                  <li key={i}>
                    <button type="button" class="link" onClick={() => {
                      const editor = view.current!;
                      const at = diagnosticOf(editor.state, one).from;
                      editor.dispatch({ selection: { anchor: at }, scrollIntoView: true });
                      editor.focus();
                    }}>line {one.line}</button>{" "}
                    <State of={one.severity === "error" ? "failed" : "degraded"} word={one.message} />
                    {one.fix ? <small>{one.fix}</small> : null}
                  </li>
                ))}
              </ul>
            ) : <p class="empty">Nothing.</p>}
          </Panel>
          {checked.value?.graph ? <Panel title="Graph"><GraphView graph={checked.value.graph} /></Panel> : null}
        </div>
      </div>
    </Page>
  );
}

function diagnosticOf(state: EditorState, told: Told): Diagnostic {
  const line = state.doc.line(Math.min(Math.max(told.line, 1), state.doc.lines));
  const from = Math.min(line.from + Math.max(told.column - 1, 0), line.to);
  const fix = told.fix;
  return { from, to: Math.min(from + Math.max(told.length ?? 1, 1), line.to), severity: told.severity, message: told.message + (fix ? "\n" + fix : "") };
}

/** Lines that are only in one of both: enough to see what is deployed; the workflow's page has the whole. */
function lineDiff(before: string, after: string): JSX.Element[] {
  const old = before.split("\n"), now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) ++start;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) ++end;
  const minus = old.slice(start, old.length - end), plus = now.slice(start, now.length - end);
  if (minus.length + plus.length === 0) return [<span key="none">no change</span>];
  return [...minus.map((line, i) => <span key={"-" + i} class="minus">- {line}{"\n"}</span>), ...plus.map((line, i) => <span key={"+" + i} class="plus">+ {line}{"\n"}</span>)];
}
