// The tree, drawn: colour is value, the width of a line is visits. Only what is on the screen is in the document.
import { memo, useCallback, useEffect, useMemo, useRef, type KeyboardEvent } from "react";
import { Handle, Position, ReactFlow, ReactFlowProvider, useReactFlow, type Edge, type Node, type NodeProps } from "@xyflow/react";
import { HIGH, WIDE, moved, type Box, type Plan } from "../layout";
import { ROOT, type Run } from "../run";
import { useWords } from "../words";
import { Title, shade } from "./Title";

export type Given = {
  plan: Plan;
  run: Run;
  selected: string;
  select: (box: string) => void;
  toggle: (box: string, open: boolean) => void;
  grow: (box: string) => void;
};
type Drawn = Node<{ box: Box; run: Run; act: (box: Box) => void }, "box">;

const HANDLES = [
  { type: "target" as const, position: Position.Left, x: 0, y: HIGH / 2, width: 1, height: 1 },
  { type: "source" as const, position: Position.Right, x: WIDE, y: HIGH / 2, width: 1, height: 1 },
];

const BoxView = memo(function BoxView({ data, selected }: NodeProps<Drawn>) {
  const { box, run, act } = data;
  const kinds = ["node", box.kind, box.best && "best", box.failed && "failed", box.value !== null && "valued", selected && "selected"].filter(Boolean).join(" ");
  return (
    <div className={kinds} style={shade(box.value)}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Title box={box} run={run} />
      {box.below > 0 && (
        <span
          className="fold"
          onClick={(event) => {
            event.stopPropagation();
            act(box);
          }}
        >
          {box.open ? "−" : `+${box.below}`}
        </span>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});
const TYPES = { box: BoxView };

function Graph({ plan, run, selected, select, toggle, grow }: Given) {
  const words = useWords();
  const flow = useReactFlow();
  const act = useCallback(
    (box: Box) => (box.kind === "more" ? grow(box.parent!) : toggle(box.id, !box.open)),
    [grow, toggle],
  );
  const nodes = useMemo(
    (): Drawn[] =>
      plan.boxes.map((box) => ({
        id: box.id,
        type: "box",
        position: { x: box.x, y: box.y },
        data: { box, run, act },
        width: WIDE,
        height: HIGH,
        handles: HANDLES,
        selected: box.id === selected,
        focusable: false,
      })),
    [plan, run, act, selected],
  );
  const all = plan.boxes.find((box) => box.id === ROOT)?.visits || plan.boxes.reduce((most, box) => Math.max(most, box.visits), 1);
  const edges = useMemo(
    (): Edge[] =>
      plan.boxes
        .filter((box) => box.parent !== null)
        .map((box) => ({
          id: `${box.parent}>${box.id}`,
          source: box.parent!,
          target: box.id,
          className: box.best ? "best" : undefined,
          style: { strokeWidth: 1 + (5 * Math.log1p(box.visits)) / Math.log1p(all) },
          focusable: false,
        })),
    [plan, all],
  );
  const place = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  const show = useCallback(
    (id: string) => {
      const box = plan.boxes.find((one) => one.id === id);
      const size = place.current?.getBoundingClientRect();
      if (!box || !size) return;
      const { x, y, zoom } = flow.getViewport();
      const left = box.x * zoom + x;
      const top = box.y * zoom + y;
      const inside = left > 8 && top > 8 && left + WIDE * zoom < size.width - 8 && top + HIGH * zoom < size.height - 8;
      if (!inside) void flow.setCenter(box.x + WIDE / 2, box.y + HIGH / 2, { zoom });
    },
    [plan, flow],
  );
  useEffect(() => {
    if (!first.current) show(selected);
    first.current = false;
  }, [selected]);
  const fit = () => {
    const size = place.current!.getBoundingClientRect();
    const wide = Math.max(...plan.boxes.map((box) => box.x)) + WIDE;
    const high = Math.max(...plan.boxes.map((box) => box.y)) + HIGH;
    const zoom = Math.min(1, Math.max(0.1, Math.min((size.width - 48) / wide, (size.height - 48) / high)));
    void flow.setViewport({ x: 24, y: 24, zoom });
  };
  const keys = (event: KeyboardEvent) => {
    const at = plan.boxes.find((box) => box.id === selected);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (at) act(at);
      return;
    }
    if (event.key === "ArrowRight" && at && at.below > 0 && !at.open) return toggle(at.id, true);
    const next = moved(plan, selected, event.key);
    if (next) {
      event.preventDefault();
      select(next);
    }
  };
  const at = plan.boxes.find((box) => box.id === selected);
  const step = run.nodes.get(at?.steps[0] ?? "");
  return (
    <>
    <p className="unseen" role="status">{[step?.summary || step?.title, at?.answer].filter(Boolean).join(": ")}</p>
    <div className="graph" ref={place} tabIndex={0} role="application" aria-label={`${words.tree}. ${words.keys}`} onKeyDown={keys}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        onNodeClick={(_, node) => (node.data.box.kind === "more" ? act(node.data.box) : select(node.id))}
        onNodeDoubleClick={(_, node) => act(node.data.box)}
        defaultViewport={{ x: 24, y: 24, zoom: 0.8 }}
        minZoom={0.1}
        maxZoom={1.6}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        disableKeyboardA11y
        zoomOnDoubleClick={false}
        panOnScroll
        proOptions={{ hideAttribution: true }}
      />
    </div>
    <div className="foot">
      <p className="legend" aria-hidden>
        <i className="none" />{words.legend.none}
        <i className="low" />{words.legend.low}
        <i className="high" />{words.legend.high}
      </p>
      <button onClick={fit}>{words.fit}</button>
    </div>
    </>
  );
}

export const TreeGraph = (given: Given) => (
  <ReactFlowProvider>
    <Graph {...given} />
  </ReactFlowProvider>
);
