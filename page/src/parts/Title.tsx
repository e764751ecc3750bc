// What stands on a box of the tree, in the graph and in the list.
import type { CSSProperties } from "react";
import { plain, whole } from "../format";
import type { Box } from "../layout";
import type { Run } from "../run";
import { useLanguage, useWords } from "../words";

/** The colour of a value, as a variable that the style sheet reads. */
export const shade = (value: number | null) => (value === null ? undefined : ({ "--value": `${Math.round(value * 100)}%` } as CSSProperties));

export function Title({ box, run }: { box: Box; run: Run }) {
  const words = useWords();
  const language = useLanguage();
  const first = run.nodes.get(box.steps[0] ?? "");
  const lines = words.nLines(box.members.length, whole(box.members.length, language));
  if (box.kind === "root") return <span className="title">{run.question || words.question}</span>;
  if (box.kind === "more") return <span className="title soft">{words.moreLines(lines)}</span>;
  const ending = box.answer ?? (box.failed ? words.cut : box.below ? null : words.noAnswer);
  if (box.kind === "cluster")
    return (
      <>
        <span className="title"><b>{ending ?? words.noAnswer}</b></span>
        <span className="note">{lines}</span>
      </>
    );
  const open = first?.status === "open" && box.steps.length === 1;
  return (
    <>
      <span className="title">{first?.summary || plain(first?.title ?? "") || words.step(first?.depth ?? box.depth)}</span>
      <span className="note">
        {box.steps.length > 1 && <span>{words.nSteps(box.steps.length)}</span>}
        {ending !== null && !open && (box.answer !== null ? <b>{ending}</b> : <span>{ending}</span>)}
        {first && first.count > 1 && <span>{words.cluster(whole(first.count, language))}</span>}
      </span>
    </>
  );
}
