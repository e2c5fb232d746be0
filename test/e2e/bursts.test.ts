import { expect, test } from "vitest";

import { setFunctionEnvironment } from "../../local/emulator/function-environment.ts";
import { post, postUntilAnswered, stack } from "./world.ts";

const { endpoint, outputs } = stack;
const functionName = outputs["MessagesFunctionName"] ?? "";
const requests = 60;

test("ok/sixty requests at once to a function that has not started yet: each is answered, most at the first try", async () => {
  // New variables end every worker that runs.
  const restore = await setFunctionEnvironment({ endpoint, functionName, variables: { COLD: "yes" } });
  try {
    let atFirst = 0;
    const answers = await Promise.all(
      Array.from({ length: requests }, async () => {
        const first = await post("a.b.c.d.e");
        if (first.status !== 400) return postUntilAnswered("a.b.c.d.e");
        atFirst += 1;
        return first;
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: requests }, () => 400));
    expect(atFirst).toBeGreaterThan(requests / 2);
  } finally {
    await restore();
  }
});
