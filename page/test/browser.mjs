// The page in a real browser, against a real server: node test/browser.mjs BASE RUN [FOLDER]
// BASE: a server that thinks slowly; RUN: a finished run of a thousand steps; FOLDER: where pictures go.
// Says what it found as one line of JSON; exit status 1 where something is not as it should be.
import assert from "node:assert/strict";
import { overlaps, spills, visit } from "./chromium.mjs";

const [base, big, folder] = process.argv.slice(2);
const SLOW = "24: 1 5 11 13"; // the embedded model tries for minutes

async function asks({ opened, picture }) {
  const page = await opened("light", "en-US");
  await page.waitForSelector(".hello li button:not([disabled])");
  await picture(page, "hello");
  await page.selectOption(".controls select.effort", "max");
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "ask", "/ leads to the box");
  await page.keyboard.type(SLOW);
  await page.keyboard.press("Enter");
  await page.click(".thoughts.going .peek");
  await page.waitForSelector(".react-flow__node .note");
  await picture(page, "live");
  const first = await page.locator(".react-flow__node").nth(1).getAttribute("data-id");
  const place = await page.locator(".react-flow__node").nth(1).evaluate((node) => node.style.transform);

  await page.reload();
  await page.waitForSelector(".thoughts.going .peek");
  assert.equal(await page.locator(".asked").innerText(), SLOW);
  assert.equal(await page.inputValue(".controls select.effort"), "max", "the effort is remembered");
  await page.waitForSelector(`.react-flow__node[data-id="${first}"]`);
  assert.equal(await page.locator(`.react-flow__node[data-id="${first}"]`).evaluate((node) => node.style.transform), place);
  await page.waitForFunction(() => Number(document.querySelector(".gauge .track")?.getAttribute("aria-valuenow")) > 0);

  await page.locator(".meters .acts > .main").click(); // answer now
  await page.waitForSelector(".thoughts:not(.going)");
  await page.waitForSelector(".turn:has-text('No line of thought')");
  await page.click(".fresh");
  await page.click(".hello li:first-child button");
  await page.waitForSelector(".turn .answer");
  await page.waitForSelector(".thoughts:not(.going)");
  await page.click(".peek");
  assert.match(await page.locator(".thoughts .head").innerText(), /Thought for .+tokens.+free/s);
  assert.equal(await page.getAttribute(".thoughts .head", "aria-expanded"), "false");
  await page.waitForSelector(".votes tr.chosen");
  assert.equal(await page.locator(".votes tr.chosen .said").innerText(), (await page.locator(".turn .answer").innerText()).trim());
  assert.equal(await overlaps(page), 0);

  await page.click(".thoughts .head");
  await page.check(".thoughts [role=switch]");
  await page.waitForSelector(".thoughts .raw");
  assert.ok((await page.locator(".thoughts .raw").innerText()).length > 20, "the chain of thought is shown");
  await page.locator(".react-flow__node").nth(1).click();
  await page.waitForSelector(".side .texts li");
  await picture(page, "done");

  await page.click(".choice button:nth-child(2)");
  await page.locator("[role=tree] [aria-selected=true]").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("[role=treeitem][aria-selected=true]").getAttribute("aria-level"), "2");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-selected")), "true");
  await picture(page, "list");

  const answer = await page.locator(".turn .answer").innerText();
  const line = await page.locator(".thoughts .head").innerText();
  await page.reload();
  await page.waitForSelector(".turn .answer");
  assert.equal(await page.locator(".turn .answer").innerText(), answer);
  assert.equal(await page.locator(".thoughts .head").innerText(), line, "history is not timed anew");
  assert.deepEqual(await spills(page), []);
  await page.context().close();
}

async function stops({ opened, picture }) {
  const page = await opened("dark", "zh-CN");
  assert.match(await page.locator("nav").innerText(), /运行/);
  await page.waitForSelector(".hello li button:not([disabled])");
  await page.selectOption(".controls select.effort", "max");
  await page.fill("#ask", SLOW);
  await page.keyboard.press("Enter");
  await page.click(".thoughts.going .peek");
  await page.waitForSelector(".react-flow__node .note");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".thoughts:not(.going)");
  await page.waitForSelector(".meters .acts > .soft");
  await picture(page, "stopped-zh");
  await page.context().close();
}

async function bigTree({ opened, picture, figures }) {
  const page = await opened("dark", "zh-CN");
  await page.waitForSelector(".hello li button:not([disabled])");
  figures.first_paint_ms = await page.evaluate(async (run) => {
    const began = performance.now();
    location.hash = `#/runs/${run}`;
    await new Promise((go) => {
      const look = () => (document.querySelector(".react-flow__node.selected, .react-flow__node .best") && document.querySelectorAll(".react-flow__node").length > 2 ? requestAnimationFrame(() => setTimeout(go)) : requestAnimationFrame(look));
      look();
    });
    return Math.round(performance.now() - began);
  }, big);
  await page.waitForSelector(".meters .acts > .soft");
  figures.boxes = await page.locator(".react-flow__node").count();
  assert.ok(figures.boxes <= 300);
  assert.equal(await overlaps(page), 0);
  await picture(page, "tree-zh");
  await page.click(".foot button");
  await page.waitForFunction((before) => document.querySelectorAll(".react-flow__node").length > before, figures.boxes);
  assert.equal(await overlaps(page), 0);
  await picture(page, "tree-fit-zh");
  await page.goto(`${base}/#/runs`);
  await page.waitForSelector(".runs li");
  await picture(page, "runs-zh");
  await page.locator(".runs li input").nth(0).check();
  await page.locator(".runs li input").nth(1).check();
  await page.click(".tools a.main");
  await page.waitForSelector(".chart canvas");
  await page.waitForTimeout(200);
  await picture(page, "compare-zh");
  assert.deepEqual(await spills(page), []);
  await page.context().close();
}

async function small({ opened, picture }) {
  const page = await opened("light", "en-US", { viewport: { width: 390, height: 780 }, reducedMotion: "reduce" });
  await page.waitForSelector(".hello li button:not([disabled])");
  assert.deepEqual(await spills(page), []);
  await picture(page, "small-hello");
  await page.click(".hello li:first-child button");
  await page.waitForSelector(".turn .answer");
  await page.click(".peek");
  await page.waitForSelector(".votes");
  assert.deepEqual(await spills(page), []);
  await picture(page, "small-tree");
  await page.context().close();
}

await visit(base, folder, [asks, stops, bigTree, small]);
