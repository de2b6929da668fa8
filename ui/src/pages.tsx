// All paths of the page, what is shown there, and how the navigation names it. Parts that few people open are loaded when
// they are.
import type { ComponentType, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { may } from "./api";
import { Overview } from "./overview";
import { fits } from "./router";

export type Props = { at: Record<string, string> };
type View = ComponentType<Props>;

const parts = {
  broker: () => import("./broker/all"),
  work: () => import("./work/all"),
  admin: () => import("./admin/all"),
  edit: () => import("./edit/all"),
};

/** A page of a part: shows nothing for the moment that the part needs to come. */
function later(part: keyof typeof parts, name: string): View {
  let found: View | null = null;
  return function Later(props: Props): JSX.Element {
    const view = useSignal<View | null>(found);
    const failed = useSignal(false);
    useEffect(() => {
      if (found) return;
      parts[part]().then(
        (all) => {
          found = (all as unknown as Record<string, View>)[name]!;
          view.value = found;
        },
        () => (failed.value = true),
      );
    }, []);
    const View = view.value;
    if (failed.value) return <p class="failure" role="alert">This part of the page could not be loaded: the server was perhaps renewed. <a href={location.href} target="_self">Load it again</a></p>;
    return View ? <View {...props} /> : <p class="dim loading" aria-busy="true">Loading …</p>;
  };
}

export interface Place {
  path: string;
  title: string;
  view: View;
  /** In the navigation, under this heading; its key after `g`. */
  group?: string;
  key?: string;
  for?: () => boolean;
}

export const places: Place[] = [
  { path: "/", title: "Overview", view: Overview, group: "", key: "o" },
  { path: "/runs", title: "Runs", view: later("work", "Runs"), group: "Work", key: "r", for: may.look },
  { path: "/runs/:run", title: "Run", view: later("work", "Run") },
  { path: "/approvals", title: "Approvals", view: later("work", "Approvals"), group: "Work", key: "a", for: may.look },
  { path: "/waits", title: "Waits", view: later("work", "Waits"), group: "Work", key: "y", for: may.look },
  { path: "/views", title: "Saved queries", view: later("work", "Views"), group: "Work", key: "z", for: may.look },
  { path: "/dead", title: "Dead letters", view: later("work", "Dead"), group: "Work", key: "d", for: may.look },
  { path: "/dead/:group", title: "Cause", view: later("work", "DeadGroup") },
  { path: "/schedules", title: "Schedules", view: later("work", "Schedules"), group: "Work", key: "n", for: may.look },
  { path: "/operations", title: "Operations", view: later("work", "Operations"), group: "Work", key: "p", for: may.look },
  { path: "/workflows", title: "Workflows", view: later("work", "Workflows"), group: "Work", key: "w", for: may.look },
  { path: "/workflows/:name", title: "Workflow", view: later("work", "Workflow") },
  { path: "/edit/:name", title: "Editor", view: later("edit", "Edit") },
  { path: "/tasks", title: "Tasks", view: later("work", "Tasks"), group: "Work", key: "t", for: may.look },
  { path: "/tasks/:task", title: "Task", view: later("work", "Task") },
  { path: "/workers", title: "Workers", view: later("work", "Workers"), group: "Work", key: "k", for: may.look },
  { path: "/broker", title: "Broker", view: later("broker", "Broker"), group: "Broker", key: "b", for: may.broker },
  { path: "/broker/queues", title: "Queues", view: later("broker", "Queues"), group: "Broker", key: "q", for: may.broker },
  { path: "/broker/queues/:vhost/:name", title: "Queue", view: later("broker", "Queue") },
  { path: "/broker/exchanges", title: "Exchanges", view: later("broker", "Exchanges"), group: "Broker", key: "e", for: may.broker },
  { path: "/broker/exchanges/:vhost/:name", title: "Exchange", view: later("broker", "Exchange") },
  { path: "/broker/connections", title: "Connections", view: later("broker", "Connections"), group: "Broker", key: "c", for: may.broker },
  { path: "/broker/connections/:name", title: "Connection", view: later("broker", "Connection") },
  { path: "/broker/channels", title: "Channels", view: later("broker", "Channels"), group: "Broker", key: "h", for: may.broker },
  { path: "/broker/channels/:name", title: "Channel", view: later("broker", "Channel") },
  { path: "/broker/consumers", title: "Consumers", view: later("broker", "Consumers"), group: "Broker", key: "s", for: may.broker },
  { path: "/admin/users", title: "Users", view: later("admin", "Users"), group: "Admin", key: "u", for: may.administer },
  { path: "/admin/users/:name", title: "User", view: later("admin", "User") },
  { path: "/admin/vhosts", title: "Virtual hosts", view: later("admin", "Vhosts"), group: "Admin", key: "v", for: may.broker },
  { path: "/admin/vhosts/:name", title: "Virtual host", view: later("admin", "Vhost") },
  { path: "/admin/policies", title: "Policies", view: later("admin", "Policies"), group: "Admin", key: "l", for: may.broker },
  { path: "/admin/limits", title: "Limits", view: later("admin", "Limits"), group: "Admin", key: "i", for: may.broker },
  { path: "/admin/tokens", title: "Tokens", view: later("admin", "Tokens"), group: "Admin", key: "x" },
  { path: "/admin/sessions", title: "Sessions", view: later("admin", "Sessions"), group: "Admin", key: "j" },
  { path: "/admin/audit", title: "Audit", view: later("admin", "Audit"), group: "Admin", key: "m", for: may.admin },
  { path: "/admin/definitions", title: "Definitions", view: later("admin", "Definitions"), group: "Admin", key: "f", for: may.broker },
];

export function placeAt(path: string): { place: Place; at: Record<string, string> } | null {
  for (const place of places) {
    const at = fits(place.path === "/" ? "" : place.path, path === "/" ? "" : path);
    if (at) return { place, at };
  }
  return null;
}
export const offered = (): Place[] => places.filter((place) => place.group !== undefined && (!place.for || place.for()));
