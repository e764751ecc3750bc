// One run by itself.
import { useFeed } from "../feed";
import { goOn } from "../thread";
import { useWords } from "../words";
import { Markdown } from "./Markdown";
import { Panel } from "./Panel";
import { useTitle } from "./useTitle";

export function RunPage({ run, list, setList }: { run: string; list: boolean; setList: (list: boolean) => void }) {
  const words = useWords();
  const feed = useFeed(run);
  useTitle(feed.run.question || words.runs);
  return (
    <main className="one">
      <h1>{feed.run.question || run}</h1>
      {feed.run.end?.answer != null && feed.over() && <div className="answer"><Markdown text={feed.run.end.answer} /></div>}
      <Panel key={run} run={run} list={list} setList={setList} more={(budget) => goOn(run, budget)} />
    </main>
  );
}
