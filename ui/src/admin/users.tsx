// Users of the broker, who are the users of all of Baton: tags, passwords, permissions.
import type { JSX } from "preact";
import { del, get, me, put, usePolled } from "../api";
import { vhostNames } from "../broker/shared";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, Facts, listQuery, Loaded, Page, Panel, Table, type Field, type ServerPage, type Values } from "../parts";
import { enc, go } from "../router";

interface Told { name: string; tags: string[] | string; password_hash: string; hashing_algorithm: string; limits: Record<string, number> }
export interface Permission { user: string; vhost: string; configure: string; write: string; read: string }
interface TopicPermission { user: string; vhost: string; exchange: string; write: string; read: string }

const tagsOf = (one: { tags: string[] | string }): string[] => (Array.isArray(one.tags) ? one.tags : one.tags.split(",").filter((tag) => tag !== ""));
const known_tags = "administrator, monitoring, policymaker, management for the broker; baton-viewer, baton-operator, baton-deployer, baton-admin for runs. Without one a user has messages and nothing else.";
function Tags({ of }: { of: { tags: string[] | string } }): JSX.Element {
  const all = tagsOf(of);
  return all.length === 0 ? <span class="dim">none</span> : <>{all.map((tag) => <span key={tag} class="tag">{tag}</span>)}</>;
}

export function Users(): JSX.Element {
  const page = usePolled<ServerPage<Told>>(() => `/api/users?${listQuery()}`, 15);
  const permissions = usePolled<Permission[]>(() => "/api/permissions", 15);
  const askAdd = (): void => ask({
    title: "Add a user",
    fields: [
      { name: "name", label: "Name", required: true }, { name: "password", label: "Password", kind: "password", required: true },
      { name: "tags", label: "Tags", hint: known_tags },
    ],
    verb: "Add", after: page.reload,
    run: async (values) => {
      if (await get("/api/users/" + enc(values.name!)).then(() => true, () => false)) throw new Error(`There is a user ${values.name} already.`);
      await put("/api/users/" + enc(values.name!), { password: values.password, tags: values.tags ?? "" });
      go("/admin/users/" + enc(values.name!));
    },
  });
  return (
    <ListPage title="Users" finder="Name contains" from={page} acts={<button type="button" class="primary" onClick={askAdd}>Add a user</button>}
      keyOf={(one) => one.name} linkOf={(one) => "/admin/users/" + enc(one.name)} empty="No user fits."
      columns={[
        { title: "Name", show: (one) => one.name, sort: "name" }, { title: "Tags", show: (one) => <Tags of={one} /> },
        { title: "Virtual hosts", show: (one) => permissions.data.value?.filter((right) => right.user === one.name).map((right) => right.vhost).join(", ") || <span class="dim">none</span> },
        { title: "Password", show: (one) => (one.password_hash ? "yes" : "none: logs in by certificate only"), wide: true },
      ]} />
  );
}

export function User({ at }: Props): JSX.Element {
  const name = at.name!;
  const path = "/api/users/" + enc(name);
  const user = usePolled<Told>(() => path, 15);
  const permissions = usePolled<Permission[]>(() => path + "/permissions", 15);
  const topics = usePolled<TopicPermission[]>(() => path + "/topic-permissions", 15);
  const reload = (): void => (user.reload(), permissions.reload(), topics.reload());
  const isMe = me.value?.user === name;
  const askTags = (): void => ask({
    title: `Tags of ${name}`, preview: isMe ? <p class="banner">This is you: without <b>administrator</b> you cannot take it back.</p> : null,
    fields: [{ name: "tags", label: "Tags", value: tagsOf(user.data.value!).join(", "), hint: known_tags }], verb: "Save", after: reload,
    run: async (values) => {
      const now = user.data.value!;
      await put(path, { tags: values.tags ?? "", password_hash: now.password_hash, hashing_algorithm: now.hashing_algorithm });
    },
  });
  const askPassword = (): void => ask({
    title: `A new password for ${name}`, preview: <p>Sessions of this user end; connections that are open go on.</p>,
    fields: [{ name: "password", label: "New password", kind: "password", required: true }], verb: "Change", after: reload,
    run: async (values) => void (await put(path, { password: values.password, tags: tagsOf(user.data.value!).join(",") })),
  });
  const askDelete = (): void => ask({
    title: `Delete the user ${name}`, preview: <p>Its connections are closed. Its queues and messages stay.{isMe ? " This is you." : ""}</p>, typed: name, verb: "Delete", isDanger: true,
    run: async () => {
      await del(path);
      go("/admin/users");
    },
  });
  return (
    <Loaded from={user}>
      {(found) => (
        <Page title={name} of={<a href="/admin/users">Users</a>} state={<Tags of={found} />}
          acts={<><button type="button" onClick={askTags}>Tags</button><button type="button" onClick={askPassword}>Password</button><button type="button" onClick={askDelete}>Delete</button></>}>
          <Permissions rows={permissions.data.value ?? []} user={name} after={reload} />
          <TopicPermissions rows={topics.data.value ?? []} user={name} after={reload} />
          <Panel title="What it is"><Facts of={[["hash", found.hashing_algorithm], ["limits", Object.entries(found.limits ?? {}).map(([limit, value]) => `${limit} ${value}`).join(", ") || "none"]]} /></Panel>
        </Page>
      )}
    </Loaded>
  );
}

const right = (text: string): JSX.Element => (text === "" ? <span class="dim">nothing</span> : <code>{text}</code>);

/** Of a user, or of a virtual host: the other is chosen. */
export function Permissions({ rows, user, vhost, after }: { rows: Permission[]; user?: string; vhost?: string; after: () => void }): JSX.Element {
  const edit = async (one?: Permission): Promise<void> => {
    const who: Field[] = user ? [one ? { name: "vhost", label: "", kind: "hidden", value: one.vhost } : { name: "vhost", label: "Virtual host", kind: "choice", choices: await vhostNames(), required: true }]
      : [one ? { name: "user", label: "", kind: "hidden", value: one.user } : { name: "user", label: "User", required: true }];
    ask({
      title: one ? `Permissions of ${one.user} in ${one.vhost}` : "Set permissions",
      preview: <p>Regular expressions over names of queues and exchanges; <code>.*</code> is everything, <code>^$</code> nothing.</p>,
      fields: [...who,
        { name: "configure", label: "Configure: declare and delete", value: one?.configure ?? ".*" }, { name: "write", label: "Write: publish, bind to", value: one?.write ?? ".*" },
        { name: "read", label: "Read: consume, get, purge", value: one?.read ?? ".*" }],
      verb: "Save", after,
      run: async (values: Values) => void (await put(`/api/permissions/${enc(vhost ?? values.vhost!)}/${enc(user ?? values.user!)}`, { configure: values.configure ?? "", write: values.write ?? "", read: values.read ?? "" })),
    });
  };
  const take = (one: Permission): void => ask({
    title: `Take the permissions of ${one.user} in ${one.vhost}`, preview: <p>The user can no longer connect to this virtual host.</p>, verb: "Take them", isDanger: true, after,
    run: async () => void (await del(`/api/permissions/${enc(one.vhost)}/${enc(one.user)}`)),
  });
  return (
    <Panel title="Permissions" acts={<button type="button" onClick={() => void edit()}>Set permissions</button>}>
      <Table label="Permissions" rows={rows} keyOf={(one) => one.vhost + " " + one.user} empty={user ? "This user may connect to no virtual host." : "Nobody may connect to it."}
        columns={[
          user ? { title: "Virtual host", show: (one) => <a href={"/admin/vhosts/" + enc(one.vhost)}>{one.vhost}</a> } : { title: "User", show: (one) => <a href={"/admin/users/" + enc(one.user)}>{one.user}</a> },
          { title: "Configure", show: (one) => right(one.configure) }, { title: "Write", show: (one) => right(one.write) }, { title: "Read", show: (one) => right(one.read) },
          { title: "Acts", number: true, show: (one) => <><button type="button" class="quiet" aria-label={`Change permissions of ${one.user} in ${one.vhost}`} onClick={() => void edit(one)}>Change</button><button type="button" class="quiet" aria-label={`Take permissions of ${one.user} in ${one.vhost}`} onClick={() => take(one)}>Take</button></> },
        ]} />
    </Panel>
  );
}

function TopicPermissions({ rows, user, after }: { rows: TopicPermission[]; user: string; after: () => void }): JSX.Element {
  const edit = async (): Promise<void> => ask({
    title: "Set topic permissions", preview: <p>Regular expressions over routing keys of a topic exchange, besides the permissions above.</p>,
    fields: [
      { name: "vhost", label: "Virtual host", kind: "choice", choices: await vhostNames(), required: true }, { name: "exchange", label: "Exchange", value: "amq.topic", required: true },
      { name: "write", label: "Write", value: ".*" }, { name: "read", label: "Read", value: ".*" },
    ],
    verb: "Save", after,
    run: async (values) => void (await put(`/api/topic-permissions/${enc(values.vhost!)}/${enc(user)}`, { exchange: values.exchange, write: values.write ?? "", read: values.read ?? "" })),
  });
  const take = (one: TopicPermission): void => ask({
    title: `Take all topic permissions of ${user} in ${one.vhost}`, verb: "Take them", isDanger: true, after,
    run: async () => void (await del(`/api/topic-permissions/${enc(one.vhost)}/${enc(user)}`)),
  });
  return (
    <Panel title="Topic permissions" acts={<button type="button" onClick={() => void edit()}>Set topic permissions</button>}>
      <Table label="Topic permissions" rows={rows} keyOf={(one) => one.vhost + " " + one.exchange} empty="None: every routing key is allowed."
        columns={[
          { title: "Virtual host", show: (one) => one.vhost }, { title: "Exchange", show: (one) => one.exchange }, { title: "Write", show: (one) => right(one.write) }, { title: "Read", show: (one) => right(one.read) },
          { title: "Acts", number: true, show: (one) => <button type="button" class="quiet" aria-label={`Take topic permissions in ${one.vhost}`} onClick={() => take(one)}>Take</button> },
        ]} />
    </Panel>
  );
}
