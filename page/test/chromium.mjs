// A browser for the tests of the page: what a page complains of is gathered, nothing leaves this machine.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Runs `parts` one after another; each is given the house. One line of JSON tells the figures; status 1: something is wrong. */
export async function visit(base, folder, parts) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const complaints = [];
  const house = {
    base,
    figures: {},
    async opened(colorScheme, locale, more = {}, at = "") {
      const context = await browser.newContext({ colorScheme, locale, viewport: { width: 1360, height: 860 }, ...more });
      await context.route((url) => !url.href.startsWith(base), (route) => {
        complaints.push(`asked ${route.request().url()}`);
        return route.abort();
      });
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
      page.on("console", (said) => {
        if (said.type() === "error" || said.type() === "warning") complaints.push(said.text());
      });
      await page.goto(base + at);
      return page;
    },
    picture: (page, name) => (folder ? page.screenshot({ path: `${folder}/${name}.png` }) : undefined),
  };
  const only = process.env.PARTS?.split(",");
  let name = "";
  try {
    for (const part of parts.filter((one) => !only || only.includes(one.name))) {
      name = part.name;
      await part(house);
      if (complaints.length) throw new Error("the page complained");
    }
    console.log(JSON.stringify(house.figures));
  } catch (error) {
    console.error(name, error, complaints);
    process.exitCode = 1;
    if (folder)
      for (const context of browser.contexts()) for (const page of context.pages()) await page.screenshot({ path: `${folder}/failed.png` }).catch(() => undefined);
  } finally {
    await browser.close();
  }
}

/** How many boxes of the tree lie upon one another, once they have come to rest. */
export const overlaps = async (page, what = ".react-flow__node") => {
  await page.waitForFunction(() => document.getAnimations().every((one) => one instanceof CSSAnimation || one.playState !== "running"));
  return page.locator(what).evaluateAll((nodes) => {
    const places = nodes.map((node) => node.getBoundingClientRect()).filter((place) => place.width && place.height);
    return places.filter((a, n) =>
      places.slice(n + 1).some((b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1),
    ).length;
  });
};

/** What is wider than the window, or than the part of the page that scrolls. */
export const spills = (page) =>
  page.evaluate(() => {
    const wide = [document.documentElement, ...document.querySelectorAll("main, .scroll, .panel")].filter((box) => box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > innerWidth + 1);
    return wide.map((box) => `${box.tagName}.${box.className} ${box.scrollWidth} > ${box.clientWidth}`);
  });

/** What axe finds against WCAG 2.2, A and AA. */
export async function faults(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"] }), RULES);
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
}

export const ready = (page) => page.waitForSelector(".controls select.effort option[value=max]", { state: "attached" });
