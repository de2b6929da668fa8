// Virtual hosts: each a broker of its own, with its own queues and permissions.
import type { JSX } from "preact";
import { del, may, put, usePolled } from "../api";
import type { Vhost as Told } from "../broker/types";
import { many } from "../format";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, Facts, Figure, Loaded, Page, Panel } from "../parts";
import { enc, go } from "../router";
import { Permissions, type Permission } from "./users";

export function Vhosts(): JSX.Element {
  const vhosts = usePolled<Told[]>(() => "/api/vhosts", 15);
  const askAdd = (): void => ask({
    title: "Add a virtual host", fields: [{ name: "name", label: "Name", required: true }, { name: "description", label: "Description" }], verb: "Add", after: vhosts.reload,
    run: async (values) => {
      await put("/api/vhosts/" + enc(values.name!), { description: values.description ?? "" });
      go("/admin/vhosts/" + enc(values.name!));
    },
  });
  return (
    <ListPage title="Virtual hosts" finder="Name contains" from={vhosts} textOf={(one) => one.name} acts={may.administer() ? <button type="button" class="primary" onClick={askAdd}>Add a virtual host</button> : null}
      keyOf={(one) => one.name} linkOf={(one) => "/admin/vhosts/" + enc(one.name)} empty="No virtual host fits."
      columns={[{ title: "Name", show: (one) => one.name }, { title: "Description", show: (one) => one.description ?? "" }, { title: "Queues", show: (one) => <a href={"/broker/queues?vhost=" + enc(one.name)}>queues</a>, number: true }]} />
  );
}

export function Vhost({ at }: Props): JSX.Element {
  const name = at.name!;
  const path = "/api/vhosts/" + enc(name);
  const vhost = usePolled<Told>(() => path, 15);
  const permissions = usePolled<Permission[]>(() => (may.administer() ? path + "/permissions" : null), 15);
  const queues = usePolled<{ total_count: number }>(() => `/api/queues/${enc(name)}?page=1&page_size=1&columns=name`, 15);
  const connections = usePolled<{ total_count: number }>(() => `${path}/connections?page=1&page_size=1&columns=name`, 15);
  const askDelete = (): void => ask({
    title: `Delete ${name}`, preview: <p>With its {many(queues.data.value?.total_count)} queues, all their messages, its exchanges, bindings, policies and permissions; {many(connections.data.value?.total_count)} connections are closed. This cannot be taken back.</p>,
    typed: name, verb: "Delete", isDanger: true,
    run: async () => {
      await del(path);
      go("/admin/vhosts");
    },
  });
  return (
    <Loaded from={vhost}>
      {(found) => (
        <Page title={name} of={<a href="/admin/vhosts">Virtual hosts</a>} acts={may.administer() ? <button type="button" onClick={askDelete}>Delete</button> : null}>
          <div class="figures">
            <Figure label="queues" value={many(queues.data.value?.total_count)} to={"/broker/queues?vhost=" + enc(name)} />
            <Figure label="connections" value={many(connections.data.value?.total_count)} to={"/broker/connections?vhost=" + enc(name)} />
          </div>
          {found.description || found.tags?.length ? <Panel title="What it is"><Facts of={[["description", found.description], ["tags", found.tags?.join(", ")]]} /></Panel> : null}
          {may.administer() ? <Permissions rows={permissions.data.value ?? []} vhost={name} after={permissions.reload} /> : null}
        </Page>
      )}
    </Loaded>
  );
}
