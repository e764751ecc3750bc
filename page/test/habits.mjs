// What a person does with the page in the course of a day: node test/habits.mjs BASE [FOLDER]
// BASE: a server that offers `mini`, the embedded model, `dear`, a backend with a price, and `other`, one without.
import assert from "node:assert/strict";
import { faults, overlaps, ready, spills, visit } from "./chromium.mjs";

const [base, folder] = process.argv.slice(2);
const SLOW = "24: 1 5 11 13"; // the embedded model tries for minutes
const PHONE = { viewport: { width: 390, height: 780 } };

const model = (page, name) => page.selectOption(".controls label:first-child select", name);
const effort = (page, name) => page.selectOption(".controls select.effort", name);
const send = async (page, question) => {
  await page.fill("#ask", question);
  await page.keyboard.press("Enter");
};
const over = (page) => page.waitForSelector(".turn:last-of-type .thoughts:not(.going)");
const focused = (page) => page.evaluate(() => (document.activeElement?.id || document.activeElement?.className || document.activeElement?.tagName) ?? "");
const tokens = (page) => page.locator(".meters .track").first().getAttribute("aria-valuenow").then(Number);
const votes = (page) => page.locator(".votes td:nth-child(2)").evaluateAll((cells) => cells.reduce((sum, cell) => sum + parseInt(cell.firstChild.textContent, 10), 0));
const thought = (line) => Number(/for (\d+) s/.exec(line)?.[1] ?? Number.NaN);

/** Stop, then more: one run, one line, and nothing of it is lost. */
async function goesOn({ opened, picture }) {
  const page = await opened("light", "en-US");
  await ready(page);
  await effort(page, "max");
  await send(page, SLOW);
  await page.click(".thoughts.going .peek");
  await page.waitForFunction(() => document.querySelectorAll(".votes tbody tr").length > 1);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".meters .acts > .soft");
  await over(page);
  const before = { tokens: await tokens(page), votes: await votes(page), line: await page.locator(".thoughts .head").innerText() };
  assert.ok(before.votes > 0, "the vote stays when it is stopped");
  await page.reload();
  await page.waitForSelector(".votes tbody tr");
  assert.deepEqual([await votes(page), await tokens(page)], [before.votes, before.tokens], "and after a reload");

  await page.evaluate(() => {
    globalThis.least = { boxes: Infinity, rows: Infinity };
    const look = () => {
      globalThis.least.boxes = Math.min(globalThis.least.boxes, document.querySelectorAll(".react-flow__node").length);
      globalThis.least.rows = Math.min(globalThis.least.rows, document.querySelectorAll(".votes tbody tr").length);
      requestAnimationFrame(look);
    };
    look();
  });
  const boxes = await page.locator(".react-flow__node").count();
  await page.click(".more > button");
  await page.click(".more .sheet .main");
  assert.equal(await page.locator(".more .sheet").count(), 0);
  await page.waitForSelector(".thoughts.going");
  await page.waitForSelector(".meters .acts > .main");
  assert.equal(await page.locator(".meters .acts > .soft").count(), 0, "the old end is not shown");
  assert.equal(await page.locator(".turn .acts button", { hasText: "Try again" }).count(), 0);
  await page.waitForFunction((least) => Number(document.querySelector(".meters .track").getAttribute("aria-valuenow")) > least + 500, before.tokens);
  const least = await page.evaluate(() => globalThis.least);
  assert.ok(least.boxes >= Math.min(boxes, 2) && least.rows > 0, `tree and vote stand while it grows anew: ${JSON.stringify(least)}`);
  await picture(page, "goes-on");

  await page.reload();
  await page.waitForSelector(".thoughts.going");
  assert.equal(await page.locator(".thoughts").count(), 1);
  await page.waitForFunction((least) => Number(document.querySelector(".meters .track")?.getAttribute("aria-valuenow")) > least, before.tokens);
  await page.click(".turn .acts button:has-text('Stop')");
  await page.waitForSelector(".meters .acts > .soft");
  await over(page);
  const line = await page.locator(".thoughts .head").innerText();
  assert.ok(thought(line) > thought(before.line), `the time adds up: ${before.line} → ${line}`);
  assert.ok((await votes(page)) >= before.votes, "the vote is not smaller than it was");

  const run = (await page.evaluate(() => location.hash)).split("/").pop(); // and from the run's own page
  await page.evaluate((name) => (location.hash = `#/runs/${name}`), run);
  await page.waitForSelector(".one .meters .acts > .soft");
  await page.click(".more > button");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".one .meters .acts > .main");
  await page.goBack();
  await page.waitForSelector(".thoughts.going");
  await page.click(".turn .acts button:has-text('Stop')");
  await over(page);
  await page.waitForFunction(() => document.activeElement?.closest(".turn .acts"));
  assert.ok(thought(await page.locator(".thoughts .head").innerText()) >= thought(line));
  await page.context().close();
}

/** What opens, shuts again. */
async function shuts({ opened }) {
  const page = await opened("light", "en-US");
  await ready(page);
  const sheet = page.locator(".budget .sheet");
  const button = page.locator(".budget > button");
  const shut = async (how) => assert.equal(await sheet.count(), 0, how);
  await button.click();
  await page.locator(".budget input").first().fill("5000");
  await page.keyboard.press("Escape");
  await shut("by Escape");
  assert.ok(await button.evaluate((one) => one === document.activeElement), "the focus is back on its button");
  assert.match(await button.innerText(), /5,000 tokens/);
  await button.click();
  await page.keyboard.press("Enter");
  await shut("by Enter");
  assert.equal(await page.locator(".turn").count(), 0, "and nothing is sent");
  await button.click();
  await page.click("h1");
  await shut("by a click beside it");
  await button.click();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  await shut("by leaving it with the keyboard");
  await button.click();
  await page.click(".budget .sheet .main");
  await shut("by its own button");
  assert.ok(await button.evaluate((one) => one === document.activeElement));
  await page.fill("#ask", SLOW);
  await effort(page, "max");
  await button.click();
  await page.click(".send");
  await shut("by sending");
  await page.waitForSelector(".thoughts.going");
  assert.equal(await focused(page), "ask", "the focus is where one writes on");
  await button.click();
  await page.keyboard.press("Escape");
  await page.waitForTimeout(300);
  assert.equal(await page.locator(".thoughts.going").count(), 1, "Escape that shuts a pop-over stops no search");
  await page.locator("#ask").focus();
  await page.keyboard.press("Escape");
  await over(page);
  await page.context().close();
}

/** Every place has an address: Back, Forward and a reload lead where one was. */
async function returns({ opened }) {
  const page = await opened("light", "en-US");
  const at = () => page.evaluate(() => location.hash);
  await page.waitForSelector(".hello li button:not([disabled])");
  await page.click(".hello li:first-child button");
  await page.waitForSelector(".turn .answer");
  const chat = await at();
  assert.match(chat, /^#\/chat\/\w+$/);
  assert.match(await page.title(), /^Make 24/);
  await page.click(".peek");
  await page.waitForSelector(".votes");
  const search = await at();
  assert.ok(search.startsWith(chat + "/"));
  await page.click("nav a:has-text('Runs')");
  await page.waitForSelector(".runs li");
  await page.fill(".runs input[type=search]", "24");
  await page.locator(".runs li input").nth(0).check();
  await page.locator(".runs li input").nth(1).check();
  const list = await at();
  await page.click(".tools a.main");
  await page.waitForSelector(".pair .votes");
  assert.match(await at(), /^#\/compare\//);
  await page.locator(".compare h2 a").first().click();
  await page.waitForSelector(".one .meters");
  const run = await at();
  await page.reload();
  await page.waitForSelector(".one .meters");
  assert.equal(await at(), run);
  await page.goBack();
  await page.waitForSelector(".compare");
  await page.goBack();
  await page.waitForSelector(".runs li");
  assert.equal(await at(), list);
  assert.equal(await page.inputValue(".runs input[type=search]"), "24");
  assert.equal(await page.locator(".runs li input:checked").count(), 2);
  await page.goBack();
  await page.waitForSelector(".stage.split .votes");
  assert.equal(await at(), search);
  await page.goBack();
  await page.waitForSelector(".stage:not(.split) .turn .answer");
  await page.goBack();
  await page.waitForSelector(".hello");
  await page.goForward();
  await page.waitForSelector(".turn .answer");
  assert.equal(await at(), chat);
  await page.reload();
  await page.waitForSelector(".turn .answer");
  await page.click(".fresh");
  await page.waitForSelector(".hello .earlier a");
  await page.click(".earlier a");
  await page.waitForSelector(".turn .answer");
  assert.equal(await at(), chat, "an earlier chat is not lost by a new one");
  await page.click(".fresh");
  await page.click(".earlier button");
  assert.equal(await page.locator(".earlier").count(), 0);
  await page.goto(`${base}/#/runs/%E0%A4%A`);
  await page.context().close();
}

/** On a telephone. */
async function narrow({ opened, picture }) {
  const page = await opened("dark", "en-US", { ...PHONE, reducedMotion: "reduce" }, "/#/runs");
  await page.waitForSelector(".runs li");
  assert.deepEqual(await spills(page), []);
  assert.equal(await overlaps(page, ".runs .tools > *, .runs li a > *, .runs li > input"), 0);
  const wide = await page.locator(".runs .what").evaluateAll((all) => Math.min(...all.map((one) => one.getBoundingClientRect().width)));
  assert.ok(wide > 280, `a question has the width of the window, not ${wide}`);
  await page.locator(".runs li input").nth(0).check();
  await page.locator(".runs li input").nth(1).check();
  await picture(page, "narrow-runs");
  await page.click(".tools a.main");
  await page.waitForSelector(".chart canvas");
  assert.deepEqual(await spills(page), []);
  assert.equal(await overlaps(page, ".compare dt, .compare dd, .compare h2, .compare table, .chart canvas"), 0);
  await picture(page, "narrow-compare");
  await page.locator(".compare h2 a").first().click();
  await page.waitForSelector(".one .votes");
  assert.deepEqual(await spills(page), []);
  await picture(page, "narrow-run");
  await page.context().close();
}

/** What a question may cost at most is said before it is asked. */
async function costs({ opened }) {
  const page = await opened("light", "en-US");
  await ready(page);
  const most = page.locator("#most");
  await model(page, "dear");
  await effort(page, "max");
  assert.equal(await most.innerText(), "At most 524,288 tokens · $4.19, plus the price of what is sent");
  assert.equal(await page.getAttribute("#ask", "aria-describedby"), "most");
  await page.click(".budget > button");
  await page.locator(".budget input").nth(1).fill("0.5");
  assert.equal(await most.innerText(), "At most 524,288 tokens · $0.50");
  await page.click(".budget .acts button:has-text('Clear')");
  await model(page, "other");
  assert.equal(await most.innerText(), "At most 524,288 tokens; what it costs is not known here");
  await model(page, "mini");
  await effort(page, "low");
  assert.equal(await most.innerText(), "At most 4,096 tokens; this model is free");
  await page.click(".corner button");
  assert.equal(await most.innerText(), "最多 4,096 词元;此模型免费");
  await page.context().close();
}

/** An answer with all that Markdown has, and with what an attacker would write; what fails beside it is said in words. */
async function answers({ opened, picture }) {
  const page = await opened("light", "en-US", PHONE);
  await ready(page);
  await model(page, "dear");
  await effort(page, "low");
  await send(page, "Why?");
  await page.waitForSelector(".turn .answer math");
  await over(page);
  const answer = page.locator(".turn .answer");
  assert.equal(await answer.locator("script, img, iframe, style, form, [onclick], [onerror], a[href^=javascript]").count(), 0);
  assert.equal(await page.evaluate(() => globalThis.taken), undefined);
  assert.equal(await answer.locator("math").count(), 3);
  assert.equal(await answer.locator("pre code").count(), 1);
  assert.equal(await answer.locator("table td").count(), 2);
  assert.deepEqual(await spills(page), []);
  assert.deepEqual(await faults(page), []);
  await picture(page, "answer");
  await page.click(".peek");
  const notes = page.locator(".notes > li");
  await notes.first().waitFor();
  assert.match(await notes.first().locator("p").innerText(), /summar.+could not be written\. The search itself was not disturbed\./);
  assert.equal(await page.getByText("ValueError").isVisible(), false, "what was said word for word is folded away");
  await page.click(".corner button");
  assert.match(await notes.first().locator("p").innerText(), /摘要未能写出/);
  await notes.first().locator("summary").click();
  assert.equal(await page.getByText("ValueError").first().isVisible(), true);
  await picture(page, "notes-zh");
  await page.context().close();
}

/** Where the key Tab leads, until it leaves the page: it must leave it. What has no name is told as "". */
async function walk(page) {
  await page.focus(".skip");
  const found = [];
  for (let n = 0; n < 80; n++) {
    await page.keyboard.press("Tab");
    const name = await page.evaluate(() => {
      const at = document.activeElement;
      if (!at || at === document.body) return null;
      return at.id || at.className || at.getAttribute("aria-label") || (at.labels?.[0] ?? at).textContent.trim();
    });
    if (name === null) return found;
    found.push(name);
  }
  throw new Error(`Tab does not leave the page: ${found}`);
}

/** What axe finds, in every place and both lights. */
async function looks({ opened, figures }) {
  figures.axe = 0;
  const found = [];
  for (const light of ["light", "dark"]) {
    const page = await opened(light, light === "light" ? "en-US" : "zh-CN");
    const sound = async (where) => {
      found.push(...(await faults(page)).map((fault) => `${where}, ${light}: ${fault}`));
      figures.axe += 1;
    };
    await page.waitForSelector(".hello li button:not([disabled])");
    await sound("empty");
    await page.click(".budget > button");
    await sound("budget");
    await page.keyboard.press("Escape");
    await page.click(".hello li:first-child button");
    await page.waitForSelector(".turn .answer");
    await over(page);
    await page.click(".thoughts .head");
    await page.check(".thoughts [role=switch]");
    await page.click(".peek");
    await page.waitForSelector(".votes");
    await page.locator(".react-flow__node").nth(1).click();
    await sound("graph");
    const walked = await walk(page);
    assert.deepEqual([walked.includes("graph"), walked.includes("ask"), walked.filter((name) => name === "")], [true, true, []], `${walked}`);
    await page.click(".choice button:nth-child(2)");
    await sound("list");
    await page.click(".choice button:nth-child(1)");
    await effort(page, "max");
    await send(page, SLOW);
    await page.waitForSelector(".thoughts.going .peek");
    await page.click(".thoughts.going .peek");
    await page.waitForSelector(".votes tbody tr");
    await page.keyboard.press("Escape");
    await page.waitForSelector(".meters .acts > .soft");
    await page.click(".more > button");
    await sound("stopped");
    await page.goto(`${base}/#/runs`);
    await page.waitForSelector(".runs li");
    await page.locator(".runs li input").nth(0).check();
    await page.locator(".runs li input").nth(1).check();
    await sound("runs");
    await page.click(".tools a.main");
    await page.waitForSelector(".chart canvas");
    await sound("compare");
    await page.locator(".compare h2 a").first().click();
    await page.waitForSelector(".one .votes");
    await sound("run");
    await page.goto(base);
    await page.waitForSelector(".earlier");
    await sound("earlier");
    await page.context().close();
  }
  assert.deepEqual(found, []);
}

await visit(base, folder, [goesOn, shuts, returns, narrow, costs, answers, looks]);
