import { describe, expect, it } from "vitest";
import { dollars, seconds, short } from "../src/format";
import { hasMath, html, typesetter } from "../src/markdown";
import { en } from "../src/words/en";
import { zh } from "../src/words/zh";

describe("text of a model", () => {
  it("runs nothing and fetches nothing", () => {
    const bad = [
      "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "![a](http://elsewhere/p.png)",
      "<a href='java&#115;cript:alert(1)'>x</a>", "<svg onload=alert(1)>", "<style>@import 'http://elsewhere'</style>",
      "<iframe src=http://elsewhere></iframe>", "<p style='background:url(http://elsewhere)'>x</p>", "<form action=http://elsewhere><input></form>",
      "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<video poster=http://elsewhere>", "$<img src=x onerror=alert(1)>$",
    ];
    for (const text of bad) {
      const place = document.createElement("div");
      place.innerHTML = html(text, null);
      expect(place.querySelector("script, img, svg, style, iframe, form, input, video, [style], [onerror], [src]"), text).toBeNull();
      for (const link of place.querySelectorAll("a")) expect(link.getAttribute("href") ?? "", text).not.toMatch(/script/);
    }
  });
  it("shows HTML as it is written, but for plain tags that say how a word looks", () => {
    expect(html("a<br>H<sub>2</sub>O <div class='gate'>x</div>", null)).toBe("<p>a<br>H<sub>2</sub>O &lt;div class='gate'&gt;x&lt;/div&gt;</p>\n");
    expect(html("<div>\nx\n</div>", null)).toBe("<p>&lt;div&gt;\nx\n&lt;/div&gt;</p>");
  });
  it("opens links elsewhere without telling where from", () => {
    expect(html("[x](https://example.org)", null)).toBe('<p><a href="https://example.org" rel="noopener noreferrer nofollow" target="_blank">x</a></p>\n');
  });
  it("takes a star between numbers for what it is", () => {
    expect(html("(7*8)-(4*8) = 2**3, *not* so **bold** 这是**重点**的", null)).toBe(
      "<p>(7*8)-(4*8) = 2**3, <em>not</em> so <strong>bold</strong> 这是<strong>重点</strong>的</p>\n",
    );
  });
  it("keeps what gives a list or a table its form, and no address within the server", () => {
    expect(html("3. three\n4. four", null)).toContain('<ol start="3">');
    expect(html("| a |\n|--:|\n| 1 |", null)).toContain('<td align="right">');
    expect(html("[x](/v1/models) [y](#/runs) [z](data:text/html,1)", null)).not.toContain("href");
  });
  it("sets formulas as MathML, and leaves prices alone", async () => {
    const typeset = await typesetter();
    expect(html("so $a^2$ is", typeset)).toMatch(/<math[\s\S]*<msup>/);
    expect(html("$$\\frac{1}{2}$$", typeset)).toMatch(/<math[^>]* display="block"[\s\S]*<mfrac>/);
    expect(html("\\(x\\)", typeset)).toMatch(/<math/);
    expect(html("it costs $5 or $6 today", typeset)).toBe("<p>it costs $5 or $6 today</p>\n");
    expect(html("$\\frac{$ is broken", typeset)).not.toMatch(/undefined/);
    expect([hasMath("a $b$ c"), hasMath("plain")]).toEqual([true, false]);
  });
});

describe("numbers", () => {
  it("are told in both languages", () => {
    expect([seconds(400, "en"), seconds(12_300, "en"), seconds(75_000, "en"), seconds(59_800, "en")]).toEqual(["less than 1 s", "12 s", "1 min 15 s", "1 min 0 s"]);
    expect([seconds(400, "zh"), seconds(75_000, "zh")]).toEqual(["不到 1 秒", "1 分 15 秒"]);
    expect([dollars(0, "en"), dollars(0.018, "en"), dollars(0.00002, "en"), dollars(12.5, "en")]).toEqual(["$0.00", "$0.018", "$0.00002", "$12.50"]);
    expect([short(1536, "en"), short(65_536, "en")]).toEqual(["1,536", "65.5K"]);
  });
});

it("says everything in both languages", () => {
  const names = (table: object): string[] => Object.entries(table).flatMap(([name, value]) => (typeof value === "object" && !Array.isArray(value) ? names(value).map((one) => `${name}.${one}`) : [name]));
  expect(names(zh).sort()).toEqual(names(en).sort());
});
