// Runs and what is done to them at the page: found, understood, acted upon; dead letters repaired by example; an
// operator's night. The workers speak AMQP, and what the page says is compared with what the server says.
import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./house";
import { order } from "./shop";

const dialog = (page: Page) => page.getByRole("dialog");
const why = (page: Page) => page.getByRole("region", { name: "Why" });

test("a run is started by hand, is live while it goes on, and shows what went in and out", async ({ page, house }) => {
  let answer: (result: unknown) => void = () => {};
  await house.deploy(`workflow = "live"\n[input]\nname = { type = "string", required = true }\n[[step]]\nid = "ask"\ntask = "live.ask"\nwith = { name = "\${input.name}" }\n[output]\ntold = "\${ask.text}"\n`);
  await house.worker("live-1", { "live.ask": () => new Promise((done) => (answer = done)) });
  await signIn(page, house, "/workflows/live");
  await page.getByRole("button", { name: "Start a run" }).click();
  const input = dialog(page).getByRole("textbox", { name: /^(name|Input)/ }).first();
  await input.fill((await input.evaluate((field) => field.tagName)) === "TEXTAREA" ? '{"name": "Ada"}' : "Ada");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(page).toHaveURL(/\/runs\/[0-9a-f-]{36}$/);
  await expect(why(page)).toContainText("live-1 works on it");
  answer({ text: "hello Ada" });
  await expect(why(page)).toContainText("the run is completed");
  await expect(page.getByRole("group", { name: "Output of the run" })).toContainText("told: hello Ada");
  await page.getByRole("link", { name: "History" }).click();
  await expect(page.getByText("task completed")).toBeVisible();
  await page.getByRole("link", { name: "Acts", exact: false }).last().click();
  await expect(page.getByRole("table", { name: "What people asked for" })).toContainText("guest");
});

test("why names the true cause: nobody serves it, all are busy, it backs off, somebody let it pause", async ({ page, house }) => {
  await house.deploy(`workflow = "stuck"\n[[step]]\nid = "only"\ntask = "stuck.task"\nretry = { max_attempts = 5, initial_interval = "1h", max_interval = "1h" }\n`);
  const run = await house.run("stuck");
  await signIn(page, house, "/runs/" + run);
  await expect(why(page)).toContainText("no worker serves stuck.task just now");
  await expect(page.getByRole("main")).toContainText("no worker");
  await house.worker("stuck-1", { "stuck.task": () => { throw { type: "unavailable", detail: "the target is away" }; } });
  await expect(why(page)).toContainText(/attempt 1 of 5 failed \(unavailable: the target is away\).*again in \d+ (min|h)/);
  await expect(page.getByText("retrying")).toBeVisible();
  await page.getByRole("button", { name: "Try now" }).click();
  await dialog(page).getByRole("button", { name: "Try now" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("Done");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await expect(why(page)).toContainText("attempt 2 of 5 failed");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await dialog(page).getByLabel(/Reason/).fill("the target moves");
  await dialog(page).getByRole("button", { name: "Pause" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("The run was running and is paused");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await expect(why(page)).toContainText(/guest let it pause: the target moves/);
  await page.getByRole("main").getByRole("button", { name: "Resume" }).first().click();
  await dialog(page).getByRole("button", { name: "Resume" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("is running");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByRole("link", { name: "only" }).first().click();
  await page.getByRole("button", { name: "Set result" }).click();
  await dialog(page).getByLabel("Result").fill('{"done": "by hand"}');
  await dialog(page).getByLabel(/Reason/).fill("did it myself");
  await dialog(page).getByRole("button", { name: "Set the result" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("is completed");
  const told = await house.api("GET", "/api/runs/" + run);
  expect(told.steps[0].output).toEqual({ done: "by hand" });
  expect(told.requests.map((one: { reason?: string; text?: string }) => one.reason ?? one.text)).toEqual(expect.arrayContaining(["the target moves", "did it myself"]));
});

test("what workers say of a run is shown as they say it, and found by level and text", async ({ page, house }) => {
  await house.deploy(`workflow = "talks"\n[[step]]\nid = "talk"\ntask = "talks.task"\n`);
  let say: (level: string, text: string) => void = () => {}, end: (result: unknown) => void = () => {};
  const channel = await (await house.connect("talker")).createChannel();
  await channel.consume("baton.task.talks.task", (message: any) => {
    const report = (type: string, body: unknown): boolean => channel.sendToQueue(message.properties.replyTo, Buffer.from(JSON.stringify(body)), { type, correlationId: message.properties.correlationId, persistent: true });
    say = (level, text) => void report("log", { level, text });
    end = (result) => { report("completed", result); channel.ack(message); };
    report("started", { worker: "talker" });
    say("info", "looks for it");
  });
  const run = await house.run("talks");
  await signIn(page, house, `/runs/${run}?tab=logs`);
  const log = page.getByRole("log", { name: "Log of the run" });
  await expect(log.getByRole("listitem")).toHaveText([/info.*talk.*looks for it/]);
  say("warning", "has <b>not</b> found it\nand looks again");
  await expect(log.getByRole("listitem")).toHaveCount(2);
  await expect(log).toContainText("has <b>not</b> found it");
  await page.getByRole("combobox", { name: "Level" }).selectOption("warning");
  await expect(log.getByRole("listitem")).toHaveCount(1);
  await page.getByRole("searchbox").fill("nowhere");
  await expect(page.getByText("No line fits.")).toBeVisible();
  await page.getByRole("searchbox").fill("looks");
  await page.getByRole("combobox", { name: "Level" }).selectOption("debug");
  await expect(log.getByRole("listitem")).toHaveCount(2);
  end({});
  say("info", "looks back, when all is over");
  await expect(log.getByRole("listitem")).toHaveCount(3, { timeout: 20_000 });
});

test("an approval is given under one's own name, with its form, by keys alone", async ({ page, house }) => {
  await house.deploy(`workflow = "asks"\n[[step]]\nid = "owner"\napproval = { title = "May it?", by = ["guest"], form = { days = { type = "integer", default = 1 } } }\n[output]\ndays = "\${owner.form.days}"\nby = "\${owner.by}"\n`);
  const run = await house.run("asks");
  await signIn(page, house, "/runs/" + run);
  await expect(why(page)).toContainText("it asks guest: May it?");
  await page.getByRole("button", { name: "Approve" }).focus();
  await page.keyboard.press("Enter");
  await dialog(page).getByLabel("days").focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("14");
  await dialog(page).getByLabel("Comment").focus();
  await page.keyboard.press("Enter");
  await expect(dialog(page).getByRole("status")).toContainText("Approved");
  await page.keyboard.press("Enter");
  await expect(why(page)).toContainText("the run is completed");
  expect((await house.api("GET", "/api/runs/" + run)).output).toEqual({ days: 14, by: "guest" });
});

test("saved queries are the user's own wherever he signs in, and a label finds its runs", async ({ page, house, browser }) => {
  await house.deploy(`workflow = "labelled"\n[[step]]\nid = "only"\nset = { a = 1 }\n`);
  await house.run("labelled");
  await signIn(page, house, "/workflows/labelled");
  // What this browser had kept before goes to the server.
  await page.evaluate(() => localStorage.setItem("baton-views", JSON.stringify({ "Of before": "status:failed" })));
  await page.getByRole("button", { name: "Start a run" }).click();
  await dialog(page).getByLabel(/^Labels/).fill('team=ops, who=the "boss"');
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(page).toHaveURL(/\/runs\/[0-9a-f-]{36}$/);
  await page.getByRole("link", { name: 'who=the "boss"' }).first().click();
  await expect(page.getByRole("table", { name: "Runs" }).getByRole("row")).toHaveCount(2); // and the head
  await page.getByRole("link", { name: "team=ops" }).click();
  await expect(page.getByRole("searchbox")).toHaveValue('label.who="the \\"boss\\"" label.team="ops"');
  await expect(page.getByRole("table", { name: "Runs" }).getByRole("row")).toHaveCount(2);
  await page.getByRole("button", { name: "Save view" }).click();
  await dialog(page).getByLabel("Name").fill("Ops & the boss");
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Ops & the boss" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "Of before" })).toBeVisible();
  expect(await page.evaluate(() => localStorage.getItem("baton-views"))).toBeNull();

  const elsewhere = await (await browser.newContext()).newPage();
  await signIn(elsewhere, house, "/views");
  const all = elsewhere.getByRole("table", { name: "Saved queries" });
  await expect(all).toContainText("Ops & the boss");
  await elsewhere.getByRole("button", { name: "Change Ops & the boss" }).click();
  await dialog(elsewhere).getByLabel("Name").fill("Ops");
  await dialog(elsewhere).getByRole("button", { name: "Save" }).click();
  await expect(all.getByRole("row", { name: /^Ops label/ })).toBeVisible();
  await elsewhere.getByRole("button", { name: "Forget Of before" }).click();
  await expect(all).not.toContainText("Of before");
  expect((await house.api("GET", "/baton/v1/views")).items.map((one: { name: string }) => one.name)).toEqual(["Ops"]);
  await elsewhere.context().close();
});

test("runs are found by a query, whose mistakes are told, and all that it finds are acted upon", async ({ page, house }) => {
  await house.deploy(`workflow = "bulk"\n[[step]]\nid = "only"\ntask = "bulk.nobody"\n`);
  for (let i = 0; i < 30; ++i) await house.run("bulk", {}, `bulk-${i}`);
  await signIn(page, house, "/runs?q=sttaus:failed");
  await expect(page.getByRole("alert").first()).toContainText("did you mean 'status'?");
  await page.getByRole("searchbox").fill("workflow:bulk");
  await expect(page.getByRole("link", { name: /running 30/ })).toBeVisible();
  await page.getByRole("button", { name: "Save view" }).click();
  await dialog(page).getByLabel("Name").fill("The bulk");
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: "All", exact: true }).click();
  await page.getByRole("link", { name: "The bulk" }).click();
  await expect(page).toHaveURL(/q=workflow/);
  await page.getByRole("checkbox").nth(0).check();
  await page.getByRole("checkbox").nth(1).check();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await expect(dialog(page)).toContainText("Cancel 2 runs");
  await dialog(page).getByLabel(/Reason/).fill("not these");
  await dialog(page).getByRole("button", { name: "Cancel", exact: true }).last().click();
  await expect(dialog(page).getByRole("status")).toContainText("2 done, 0 refused");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "None" }).click();
  await page.getByRole("searchbox").fill("workflow:bulk status:running");
  await expect(page.getByText("all 28:")).toBeVisible();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await dialog(page).getByLabel("How fast").fill("500/s");
  await dialog(page).getByRole("button", { name: "Cancel", exact: true }).last().click();
  await expect(dialog(page).getByRole("status")).toContainText("28 done, 0 refused");
  expect(await house.api("GET", "/api/counts")).toContainEqual({ workflow: "bulk", status: "cancelled", count: 30 });
});

test("an operator's night: three causes in three systems, one mended by example, all redriven, in few clicks", async ({ page, house }) => {
  test.setTimeout(600_000);
  const runs = Number(process.env.BATON_PAGE_NIGHT ?? 90);
  let isBillingAway = true;
  const broken = { stock: true };
  await house.deploy(order.replace('workflow = "order"', 'workflow = "night"').replaceAll("EU", "Europa").replace(/initial_interval = "10ms"/, 'initial_interval = "1ms"'));
  await house.worker("night-1", {
    "stock.reserve": (task) => { if (broken.stock && (task.with.order as number) % 3 === 0) throw { type: "locked", detail: `shelf of ${task.with.order} is locked`, retryable: false }; return {}; },
    // Whoever wrote the workflow named a region that billing does not know.
    "billing.charge": (task) => {
      if ((task.with.order as number) % 3 === 1) { if (task.with.region !== "EU") throw { type: "no_such_region", detail: `region of order ${task.with.order} is unknown`, retryable: false }; return {}; }
      return {};
    },
    "parcel.ship": (task) => { if (isBillingAway && (task.with.order as number) % 3 === 2) throw { type: "unavailable", detail: "the carrier answers 503", retryable: false }; return {}; },
  }, 50);
  for (let number = 0; number < runs; ++number) await house.run("night", { order: number, email: `c${number}@example.org` }, `night-${number}`);
  const failed = async (): Promise<number> => ((await house.api<{ group: string; count: number; task: string; detail: string }[]>("GET", "/api/dead/groups")).filter((one) => /shelf|region of|carrier/.test(one.detail))).reduce((sum, one) => sum + one.count, 0);
  await expect.poll(failed, { timeout: 120_000 }).toBe(runs);

  let clicks = 0;
  const click = async (name: string | RegExp, role: "link" | "button" = "button", within: ReturnType<typeof dialog> | Page = page): Promise<void> => {
    ++clicks;
    await within.getByRole(role, { name }).first().click();
  };
  await signIn(page, house, "/dead");
  const third = runs / 3;
  const causes = page.getByRole("table", { name: "Causes" });
  for (const name of ["locked", "no_such_region"]) await expect(causes.getByRole("row", { name: new RegExp(`${name}.*\\b${third}\\b`) })).toBeVisible();
  // The wrong region: one is mended and tried, the change is made to all others.
  await click("no_such_region", "link");
  await expect(page.getByText("region of order # is unknown").first()).toBeVisible();
  const input = page.getByRole("textbox", { name: "Input of the letter, to be repaired" });
  await input.fill((await input.inputValue()).replace('"Europa"', '"EU"'));
  await expect(page.getByText('region, "Europa" becomes "EU"').or(page.getByText('region becomes "EU"')).first()).toBeVisible();
  await click("Redrive this one, repaired");
  await click("Redrive", "button", dialog(page));
  await expect(dialog(page).getByRole("status")).toContainText("It went through");
  await click(/^Do the same to the other/, "button", dialog(page));
  await dialog(page).getByLabel("How fast").fill("200/s");
  await click(/^Redrive/, "button", dialog(page));
  await expect(dialog(page).getByRole("status")).toContainText(/were repaired and sent again, 0 refused/, { timeout: 120_000 });
  await click("Close", "button", dialog(page));
  // The other two causes: what was broken works again.
  broken.stock = isBillingAway = false;
  for (const cause of ["locked", "unavailable"]) {
    await click("Dead letters", "link");
    await click(cause, "link");
    await click(/^Redrive \d+/);
    await dialog(page).getByLabel("How fast").fill("200/s");
    await click("Redrive", "button", dialog(page));
    await expect(dialog(page).getByRole("status")).toBeVisible({ timeout: 60_000 });
    await click("Close", "button", dialog(page));
  }
  await expect.poll(async () => (await house.api<{ workflow: string; status: string; count: number }[]>("GET", "/api/counts")).find((one) => one.workflow === "night" && one.status === "completed")?.count, { timeout: 120_000 }).toBe(runs);
  console.log(`an operator's night of ${runs} runs: ${clicks} clicks`);
  expect(clicks).toBeLessThanOrEqual(16);
});

test("a task type is let pause and called by hand, a workflow too", async ({ page, house }) => {
  await house.deploy(`workflow = "paused"\n[[step]]\nid = "only"\ntask = "paused.task"\n`);
  await house.worker("paused-1", { "paused.task": (task) => ({ got: task.with }) });
  await signIn(page, house, "/tasks/paused.task");
  await page.getByRole("button", { name: "Pause" }).click();
  await dialog(page).getByLabel(/Reason/).fill("target moves");
  await dialog(page).getByRole("button", { name: "Pause" }).click();
  await expect(page.getByText("paused by guest: target moves")).toBeVisible();
  const run = await house.run("paused");
  await page.goto(house.url + "/runs/" + run);
  await expect(why(page)).toContainText(/paused|pause/);
  await page.goto(house.url + "/tasks/paused.task");
  await page.getByRole("button", { name: "Resume" }).click();
  await dialog(page).getByRole("button", { name: "Resume" }).click();
  await house.untilRun(run, "completed");
  await page.getByRole("button", { name: "Call" }).click();
  await dialog(page).getByLabel(/^With/).fill('{"a": 1}');
  await dialog(page).getByRole("button", { name: "Call" }).click();
  await expect(dialog(page).getByRole("status")).toContainText('"a": 1');
});

test("who may only look sees runs and is offered no acts", async ({ page, house }) => {
  await house.deploy(`workflow = "seen"\n[[step]]\nid = "only"\ntask = "seen.nobody"\n`);
  const run = await house.run("seen");
  await signIn(page, house, "/runs/" + run, "vera");
  await expect(why(page)).toContainText("no worker serves seen.nobody");
  await expect(page.getByRole("button", { name: /Pause|Cancel|Terminate|Signal/ })).toHaveCount(0);
  await page.goto(house.url + "/runs");
  await expect(page.getByRole("table", { name: "Runs" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Start a run" })).toHaveCount(0);
  await expect(page.getByRole("checkbox")).toHaveCount(0);
});

