// What the three clients are asked, and where. Knows no client.

export const baseURL = process.env.SYSTEM2_URL;
export const apiKey = "sk-local";
export const SUM = "What is 17 * 23?";
export const WEATHER = "How is the weather in Paris?";
export const place = { city: "Paris", people: 4 };

/** All that an async iterable yields. */
export async function all(stream) {
  const got = [];
  for await (const one of stream) got.push(one);
  return got;
}

/** What `look` returns, once `done` is true of it. */
export async function until(look, done) {
  for (;;) {
    const found = await look();
    if (done(found)) return found;
    await new Promise((next) => setTimeout(next, 50));
  }
}
