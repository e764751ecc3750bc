// Server-sent events over fetch, so that a key travels in a header and never in an address. Knows no event.

export type Heard = { type: string; [name: string]: unknown };
export type Line = "open" | "lost" | "done";

/** What a server refuses: its status, code and words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** The blocks of a stream; `null` is its [DONE]. Comments are passed over. */
export async function* blocks(body: ReadableStream<Uint8Array>): AsyncGenerator<Heard[] | null> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const ends = text.split(/\r?\n\r?\n/);
      text = ends.pop() ?? "";
      const found: Heard[] = [];
      let over = false;
      for (const block of ends) {
        const data = dataOf(block);
        if (data === "[DONE]") over = true;
        else if (data) found.push(JSON.parse(data) as Heard);
      }
      if (found.length) yield found; // all that came together, to be drawn together
      if (over) {
        yield null;
        return;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function dataOf(block: string): string {
  return block
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
}

/** The error that a reply tells of. */
export async function refusal(reply: Response): Promise<Refused> {
  const body = (await reply.json().catch(() => null)) as { error?: { message?: string; code?: string } } | null;
  return new Refused(reply.status, body?.error?.message ?? `HTTP ${reply.status}`, body?.error?.code ?? null);
}

const WAITS = [300, 800, 1_500, 3_000, 5_000];

/**
 * Follow a stream to its end, and through broken lines: `open` is asked again, and says itself after what.
 * Throws Refused where the server answers that it will not (but for 5xx and 429, which pass).
 */
export async function follow(
  open: (signal: AbortSignal) => Promise<Response>,
  take: (events: Heard[]) => void,
  line: (state: Line) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const reply = await open(signal);
      if (!reply.ok) throw await refusal(reply);
      if (!reply.body) throw new Error("the reply has no body");
      line("open");
      for await (const events of blocks(reply.body)) {
        if (signal.aborted) return;
        if (events === null) return line("done");
        failures = 0;
        take(events);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500 && error.status !== 429) throw error;
    }
    line("lost");
    await new Promise((go) => setTimeout(go, WAITS[Math.min(failures, WAITS.length - 1)]));
  }
}
