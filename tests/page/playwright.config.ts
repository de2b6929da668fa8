// Tests of the page against a real server, in Debian's chromium (its shell without windows: half
// the processor time); nothing is downloaded. Run by ctest, or by hand:
//   BATON_EXE=$PWD/../../build/ci/baton npx playwright test
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  testMatch: "*.test.ts",
  fullyParallel: false,
  workers: 1,
  // The servers of the tests are built with sanitizers, and the machine has other work.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["line"]],
  outputDir: process.env.BATON_PAGE_OUTPUT ?? "/tmp/baton-page-tests",
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    timezoneId: "UTC",
    locale: "en-GB",
    actionTimeout: 20_000,
    trace: "off",
    launchOptions: {
      executablePath: process.env.BATON_CHROMIUM ?? "/usr/bin/chromium-headless-shell",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    },
  },
});
