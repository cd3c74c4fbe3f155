// A step a line on standard input, an answer a line on standard output.
import { createInterface } from "node:readline";

/** Has every step performed, one after the other. */
export async function answerLines(perform) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await perform(JSON.parse(line)))}\n`);
  }
}
