// How the vote for the final answer stood against what was spent; loaded when it is looked at.
import { useEffect, useRef, useState } from "react";
import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { dollars, percent, short } from "../format";
import { shares, type Run } from "../run";
import { useLanguage, useWords } from "../words";

use([LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

export default function Chart({ runs, stamp }: { runs: Run[]; stamp: number }) {
  const words = useWords();
  const language = useLanguage();
  const place = useRef<HTMLDivElement>(null);
  const paid = runs.some((run) => run.course.some((moment) => moment.dollars));
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
      grid: { left: 56, right: 24, top: 44, bottom: 48 },
      legend: { top: 4, textStyle: { color: ink }, data: runs.map((run, n) => name(run, n)) },
      tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (value: unknown) => percent(Number(value), language) },
      xAxis: { ...axis, type: "value", name: by === "dollars" ? words.dollars : words.tokens, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: ink }, axisLabel: { color: ink, formatter: said } },
      yAxis: { ...axis, type: "value", min: 0, max: 1, name: words.share, nameTextStyle: { color: ink, align: "left" }, axisLabel: { color: ink, formatter: (value: number) => percent(value, language) } },
      series: runs.map((run, n) => ({
        name: name(run, n),
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
  }, [runs[0], runs[1], stamp, by, language, words]);
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
      <div className="canvas" ref={place} role="img" aria-label={words.chart} />
    </>
  );
}

const name = (run: Run, n: number) => `${n + 1}. ${[run.settings.effort, run.question.slice(0, 28)].filter(Boolean).join(" · ")}`;
