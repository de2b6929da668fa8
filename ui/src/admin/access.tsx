// What opens the API to programs and browsers: tokens and sessions, one's own, and for administrators everybody's; and the
// log of who changed what.
import type { JSX } from "preact";
import { del, may, me, post, usePolled } from "../api";
import { cursorQuery, ListPage, type CursorPage } from "../lists";
import { ask, CopyButton, State, Time } from "../parts";
import { enc, query, withQuery } from "../router";

const isAll = (): boolean => may.admin() && query.value.get("whose") === "all";
function Whose(): JSX.Element | null {
  if (!may.admin()) return null;
  return (
    <span class="views">
      <a href={withQuery({ whose: null, after: null })} aria-current={isAll() ? undefined : "page"}>Mine</a>
      <a href={withQuery({ whose: "all", after: null })} aria-current={isAll() ? "page" : undefined}>Of all users</a>
    </span>
  );
}

interface Token { id: string; name: string; user: string; role: string; created_at: string; expires_at: string; used_at: string | null; token?: string }

export function Tokens(): JSX.Element {
  const all = usePolled<CursorPage<Token>>(() => "/baton/v1/tokens?" + cursorQuery({ all: isAll() ? "true" : null }), 15);
  const roles = [...(may.look() ? ["viewer"] : []), ...(may.operate() ? ["operator"] : []), ...(may.deploy() ? ["deployer"] : []), ...(may.admin() ? ["admin"] : [])];
  const askMake = (): void => ask({
    title: "Make a token", preview: <p>Whoever shows it may do under your name what its role may. It is shown once: afterwards nobody can read it, also not here.</p>,
    fields: [
      { name: "name", label: "What it is for", required: true }, { name: "role", label: "Role", kind: "choice", choices: roles, value: roles[0], required: true },
      { name: "days", label: "Days until it ends", kind: "number", value: "30", required: true, hint: "90 at most" },
    ],
    verb: "Make", after: all.reload,
    run: async (values) => {
      const made = await post<Token>("/baton/v1/tokens", { name: values.name, role: values.role, expires_at: new Date(Date.now() + Number(values.days) * 86_400_000 - 60_000).toISOString() });
      return <><p>This is the only time that it is shown:</p><p><code class="token">{made.token}</code></p><p><CopyButton text={made.token!} label="Copy the token" /></p><p class="dim">Sent as <code>Authorization: Bearer bt_…</code></p></>;
    },
  });
  const askEnd = (one: Token): void => ask({
    title: `End the token ${one.name}`, preview: <p>Programs that show it are refused from now on. This cannot be taken back.</p>, verb: "End it", isDanger: true, after: all.reload,
    run: async () => void (await del("/baton/v1/tokens/" + enc(one.id))),
  });
  return (
    <ListPage title="Tokens" from={all} beside={<Whose />} acts={roles.length > 0 ? <button type="button" class="primary" onClick={askMake}>Make a token</button> : null}
      keyOf={(one) => one.id} empty="No token. Programs that ask the API need one, or a password."
      columns={[
        { title: "For", show: (one) => one.name }, { title: "User", show: (one) => one.user, wide: true }, { title: "Role", show: (one) => one.role }, { title: "Made", show: (one) => <Time at={one.created_at} />, number: true, wide: true },
        { title: "Used last", show: (one) => (one.used_at ? <Time at={one.used_at} /> : <span class="dim">never</span>), number: true }, { title: "Ends", show: (one) => <Time at={one.expires_at} />, number: true },
        { title: "Acts", number: true, show: (one) => <button type="button" class="quiet" aria-label={`End the token ${one.name}`} onClick={() => askEnd(one)}>End</button> },
      ]} />
  );
}

interface Session { id: string; user: string; address: string; began_at: string; used_at: string; expires_at: string; this: boolean }

export function Sessions(): JSX.Element {
  const all = usePolled<CursorPage<Session>>(() => "/baton/v1/sessions?" + cursorQuery({ all: isAll() ? "true" : null }), 15);
  const askEnd = (one: Session): void => ask({
    title: `End the session of ${one.user}`, preview: <p>{one.this ? "This is the one that you use: you will have to sign in again." : `The browser at ${one.address} has to sign in again.`}</p>, verb: "End it", isDanger: true, after: all.reload,
    run: async () => {
      await del("/baton/v1/sessions/" + enc(one.id));
      if (one.this) me.value = null;
    },
  });
  return (
    <ListPage title="Sessions" from={all} beside={<Whose />} keyOf={(one) => one.id} empty="Nobody has signed in with a browser."
      columns={[
        { title: "User", show: (one) => one.user }, { title: "From", show: (one) => one.address }, { title: "Which", show: (one) => (one.this ? <State of="ok" word="this one" /> : "") },
        { title: "Began", show: (one) => <Time at={one.began_at} />, number: true, wide: true }, { title: "Used last", show: (one) => <Time at={one.used_at} />, number: true }, { title: "Ends at the latest", show: (one) => <Time at={one.expires_at} />, number: true, wide: true },
        { title: "Acts", number: true, show: (one) => <button type="button" class="quiet" aria-label={`End session ${one.id} of ${one.user}`} onClick={() => askEnd(one)}>End</button> },
      ]} />
  );
}

interface Audited { at: string; actor: string; role: string; address: string; action: string; target: string; outcome: number }

export function Audit(): JSX.Element {
  const field = (name: string): string | null => query.value.get(name);
  const all = usePolled<CursorPage<Audited>>(() => "/baton/v1/audit?" + cursorQuery({ actor: field("actor"), action: field("action"), target: field("target") }), 10);
  const only = (name: string, value: string): JSX.Element => <a href={withQuery({ [name]: value, after: null })} title={`only ${value}`}>{value}</a>;
  const chosen = ["actor", "action", "target"].filter((name) => field(name));
  return (
    <ListPage title="Audit" from={all} finder="Target contains" finderName="target" keyOf={(one) => one.at + one.action + one.target + one.address} empty="Nobody has changed anything, or was refused."
      beside={chosen.length > 0 ? <span>Only {chosen.map((name) => <span key={name} class="tag">{name} {field(name)}</span>)} <a href="/admin/audit">all</a></span> : null}
      columns={[
        { title: "When", show: (one) => <Time at={one.at} /> }, { title: "Who", show: (one) => only("actor", one.actor) }, { title: "Role", show: (one) => one.role, wide: true }, { title: "From", show: (one) => one.address, wide: true },
        { title: "What", show: (one) => only("action", one.action) }, { title: "Of", show: (one) => <code>{one.target}</code> },
        { title: "Outcome", show: (one) => <State of={one.outcome < 400 ? "done" : "failed"} word={one.outcome < 400 ? "done" : `refused (${one.outcome})`} /> },
      ]} />
  );
}
