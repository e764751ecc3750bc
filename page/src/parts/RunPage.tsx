// One run by itself.
import { control, type Budget } from "../api";
import { feedOf, useFeed } from "../feed";
import { Markdown } from "./Markdown";
import { Panel } from "./Panel";

export function RunPage({ run, list, setList }: { run: string; list: boolean; setList: (list: boolean) => void }) {
  const feed = useFeed(run);
  const more = async (budget: Budget) => {
    await control(run, "more", budget);
    const known = feedOf(run);
    if (!known.run.end) return;
    known.run.end = null;
    known.again();
  };
  return (
    <main className="one">
      <h1>{feed.run.question}</h1>
      {feed.run.end?.answer != null && <div className="answer"><Markdown text={feed.run.end.answer} /></div>}
      <Panel key={run} run={run} list={list} setList={setList} more={more} />
    </main>
  );
}
