/** Something whose processor time is measured. */
export type Subject = {
  readonly name: string;
  /** What the work needs and is not part of it; its time does not count. */
  prepare?(times: number): Promise<void>;
  run(times: number): Promise<void> | void;
};

export type Passes = {
  /** How often every subject has its turn. */
  readonly passes: number;
  /** Processor time of one turn, about. */
  readonly sliceMilliseconds: number;
  /** Turns before those that count; fewer where a turn is long. */
  readonly warmUps?: number;
};

const usual: Passes = { passes: 25, sliceMilliseconds: 12 };

/**
 * The least processor time that each subject took, in microseconds for one run of it. Turns interleave, so that a busy neighbour hits all alike; on a
 * shared machine medians move by a third and minima by a few per cent.
 */
export async function leastMicroseconds<Name extends string>(
  subjects: Readonly<Record<Name, Omit<Subject, "name">>>,
  { passes, sliceMilliseconds, warmUps = 20 }: Passes = usual,
): Promise<Record<Name, number>> {
  const names = Object.keys(subjects) as Name[];
  const least = Object.fromEntries(names.map((name) => [name, Infinity])) as Record<Name, number>;
  const times = Object.fromEntries(names.map((name) => [name, 1])) as Record<Name, number>;
  // The first turns also warm up: code is optimised, and the size of a turn found.
  for (let pass = -warmUps; pass < passes; pass += 1) {
    for (const name of names) {
      const each = (await processorMicroseconds(subjects[name], times[name])) / times[name];
      if (pass >= 0) least[name] = Math.min(least[name], each);
      else times[name] = Math.max(1, Math.min(mostTimes, Math.round((sliceMilliseconds * 1000) / Math.max(each, 1))));
    }
  }
  return least;
}

const mostTimes = 4_000;

async function processorMicroseconds(subject: Omit<Subject, "name">, times: number): Promise<number> {
  await subject.prepare?.(times);
  const before = process.cpuUsage();
  await subject.run(times);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
