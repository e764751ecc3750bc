// How the vote for the final answer stood against what was spent; loaded when it is looked at.
import { useEffect, useRef, useState } from "react";
import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { dollars, percent, short } from "../format";
import { shares, type Run } from "../run";
import { useLanguage, useWords } from "../words";
import type { Words } from "../words/en";

use([LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

export default function Chart({ runs, stamp }: { runs: Run[]; stamp: number }) {
  const words = useWords();
  const language = useLanguage();
  const place = useRef<HTMLDivElement>(null);
  const paid = runs.some((run) => run.course.some((moment) => moment.dollars));
  const light = useLight();
  const [by, setBy] = useState<"tokens" | "dollars">("tokens");
  useEffect(() => {
    const box = place.current!;
    const style = getComputedStyle(box);
    const ink = style.getPropertyValue("color");
    const colours = [style.getPropertyValue("--accent"), style.getPropertyValue("--second")];
    const chart = init(box, null, { renderer: "canvas" });
    const said = (value: number) => (by === "dollars" ? dollars(value, language) : short(value, language));
    const axis = { axisLabel: { color: ink }, axisLine: { lineStyle: { color: ink, opacity: 0.3 } }, splitLine: { lineStyle: { color: ink, opacity: 0.08 } } };
    chart.setOption({
      animation: false,
      color: colours,
      textStyle: { fontFamily: style.fontFamily },
      grid: { left: 52, right: 24, top: 24 + 22 * runs.length, bottom: 48 },
      legend: { top: 0, left: 0, orient: "vertical", itemGap: 6, textStyle: { color: ink, width: box.clientWidth - 60, overflow: "truncate" }, data: runs.map((run, n) => name(run, n, words)) },
      tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (value: unknown) => percent(Number(value), language) },
      xAxis: { ...axis, type: "value", name: by === "dollars" ? words.dollars : words.tokens, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: ink }, axisLabel: { color: ink, formatter: said } },
      yAxis: { ...axis, type: "value", min: 0, max: 1, axisLabel: { color: ink, formatter: (value: number) => percent(value, language) } },
      series: runs.map((run, n) => ({
        name: name(run, n, words),
        type: "line",
        step: "end",
        symbolSize: 5,
        lineStyle: { width: 2 },
        data: shares(run, run.end?.answer ?? run.answers[0]?.answer ?? null).map((moment) => [by === "dollars" ? moment.dollars : moment.tokens, moment.share]),
      })),
    });
    const sized = new ResizeObserver(() => chart.resize());
    sized.observe(box);
    return () => {
      sized.disconnect();
      chart.dispose();
    };
  }, [runs[0], runs[1], stamp, by, language, words, light]);
  return (
    <>
      {paid && (
        <label className="against">
          {words.against}{" "}
          <select value={by} onChange={(event) => setBy(event.target.value as "tokens" | "dollars")}>
            <option value="tokens">{words.tokens}</option>
            <option value="dollars">{words.dollars}</option>
          </select>
        </label>
      )}
      <p className="small soft">{words.share}</p>
      <div className="canvas" ref={place} role="img" aria-label={words.chart} />
    </>
  );
}

/** Which light the page is seen in: a canvas does not change its colours by itself. */
function useLight(): string {
  const seen = () => `${document.documentElement.dataset.theme} ${matchMedia("(prefers-color-scheme: dark)").matches}`;
  const [light, setLight] = useState(seen);
  useEffect(() => {
    const look = () => setLight(seen());
    const system = matchMedia("(prefers-color-scheme: dark)");
    const own = new MutationObserver(look);
    own.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    system.addEventListener("change", look);
    return () => {
      own.disconnect();
      system.removeEventListener("change", look);
    };
  }, []);
  return light;
}

const name = (run: Run, n: number, words: Words) => `${n + 1}. ${[words.efforts[run.settings.effort ?? ""] ?? run.settings.effort, run.question.slice(0, 28)].filter(Boolean).join(" · ")}`;
