import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Device } from "../../device/device.ts";
import { type EpochsRecord, epochTimes, epochsRecordSchema } from "../../functions/custody/epochs.ts";
import type { MessageKeys } from "../../functions/key-set/message-keys.ts";
import { publishKeySet } from "../../functions/key-set/sign.ts";
import { answerMessage } from "../../functions/receive/answer.ts";
import { type Bench, bootstrapped, memoryHome, openBench, profile } from "../device/support/bench.ts";
import { heldKeys, serviceId } from "../support/service.ts";
import { type SoftwareWrapping, day, epochFunction, epochKeys, softwareWrapping } from "../support/software-epochs.ts";

/** Custody `epoch` from both ends: the functions over the memory store, and devices that only follow the signed key set. */

const hour = 3_600;
const week = 7 * day;

let bench: Bench;
let wrapping: SoftwareWrapping;
/** What was posted, and whether a sealed reply or a problem came back. */
let posted: { readonly token: string; readonly code: string }[];

beforeEach(async () => {
  bench = await openBench();
  wrapping = softwareWrapping();
  posted = [];
});
afterEach(() => vi.restoreAllMocks());

const inEpochs = () => epochKeys(wrapping.make);
const ports = (keys: MessageKeys, generation = 1) => {
  const { store, keySetKey: signer } = bench.service;
  return { serviceId, generation, store, signer, keys };
};
const sign = (keys = inEpochs(), generation = 1) => publishKeySet(ports(keys, generation), () => bench.now);

/** A function that was just started. */
const startFunction = (generation = 1) => {
  const held = { ...bench.service.messageKeys };
  const serverKeys = epochFunction(bench.service.store, wrapping.unwrap, { generation, held });
  Object.assign(bench.service.messages, { serverKeys, generation });
  return serverKeys;
};

const storedList = async (): Promise<EpochsRecord> => {
  const [item] = await bench.service.store.read([{ table: "epochs", key: { item: "epochs" } }]);
  return epochsRecordSchema.parse(item);
};

/** Time passes at the service, with a step every three hours: two of three that the schedule has are lost. */
const pass = async (seconds: number, keys = inEpochs()) => {
  for (const end = bench.now + seconds; bench.now < end;) {
    bench.now = Math.min(end, bench.now + 3 * hour);
    await sign(keys);
  }
};

const answer = (token: string, now = bench.now) => answerMessage(bench.service.messages, token, now);
const codeOf = (answered: Awaited<ReturnType<typeof answer>>) =>
  answered.kind === "sealed" ? "sealed" : answered.body.code;

/** A device of the service, whatever that holds by now. */
const enrolled = async () => {
  const messages = {
    ...bench.messages,
    async post(url: string, token: string) {
      posted.push({ token, code: codeOf(await answer(token)) });
      return bench.messages.post(url, token);
    },
  };
  const { device } = await bootstrapped(bench, memoryHome({ ...bench, messages }));
  await device.register(profile);
  posted = [];
  return device;
};

/** A service in its first epoch, and a device of it. */
const started = async () => {
  await sign();
  startFunction();
  return enrolled();
};

/** What one more message of a device is answered with, each time that it is posted. */
const answersTo = async (device: Device) => {
  posted = [];
  await device.checkFirmware();
  return posted.map(({ code }) => code);
};

describe("private halves", () => {
  test("ok/are unwrapped once for each function and epoch, and no message costs a call after that", async () => {
    const device = await started();
    expect(wrapping.calls).toEqual({ made: 2, unwrapped: 2 });
    for (let n = 0; n < 5; n += 1) await device.checkFirmware();
    expect(wrapping.calls.unwrapped).toBe(2);
    startFunction();
    await device.checkFirmware();
    expect(wrapping.calls.unwrapped).toBe(4);
  });

  test("ok/are asked for again after a failure, which is that of one message", async () => {
    const device = await started();
    await device.checkFirmware();
    const token = posted.at(-1)?.token ?? "";
    startFunction();
    wrapping.state.down = true;
    expect(codeOf(await answer(token))).toBe("unavailable");
    wrapping.state.down = false;
    expect(codeOf(await answer(token))).toBe("sealed");
  });

  test("fails/one that is stored in the place of another opens nothing", async () => {
    await sign();
    const list = await storedList();
    const [signing, decryption] = [list.signing.epochs[0], list.decryption.epochs[0]];
    if (!signing || !decryption) throw new Error("no epochs");
    const epochs = [{ ...signing, half: decryption.half }];
    const item = { ...list, signing: { ...list.signing, epochs } };
    await bench.service.store.write([{ table: "epochs", item, when: { revision: list.revision } }]);
    const { replySigner } = await startFunction().at(bench.now);
    await expect(replySigner.sign(new Uint8Array(1))).rejects.toThrow("authenticate");
  });
});

describe("the list that a function holds", () => {
  test("ok/lives for ten minutes, whatever is down, and then nothing is answered", async () => {
    const device = await started();
    await device.checkFirmware();
    const token = posted.at(-1)?.token ?? "";
    const { store } = bench.service;
    const read = store.read.bind(store);
    vi.spyOn(store, "read").mockImplementation(async (keys) => {
      if (keys.some(({ table }) => table === "epochs")) throw new Error("down");
      return read(keys);
    });
    const { now } = bench;
    expect(codeOf(await answer(token, now + epochTimes.cacheSeconds - 1))).toBe("sealed");
    expect(codeOf(await answer(token, now + epochTimes.cacheSeconds))).toBe("unavailable");
    vi.mocked(store.read).mockRestore();
    expect(codeOf(await answer(token, now + epochTimes.cacheSeconds))).toBe("sealed");
  });

  test("ok/is read again for a key that it does not know, once, and no more than every ten seconds", async () => {
    await started();
    const { store } = bench.service;
    const { replySigner, lookAgain } = await startFunction().at(bench.now);
    expect(lookAgain).toBeDefined();
    const reads = vi.spyOn(store, "read");
    const unknown = replySigner.kid;
    for (let n = 0; n < 20; n += 1) expect(await lookAgain?.(unknown)).toBeUndefined();
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test("ok/so a device whose clock is a week ahead is answered under the epoch that was listed just now", async () => {
    const device = await started();
    await pass(22 * hour);
    startFunction();
    expect(await answersTo(device)).toEqual(["sealed"]);
    // The next epoch is listed; this function read the list before.
    bench.now += hour;
    expect(await sign()).toMatchObject({ begun: 2 });
    const next = (await storedList()).decryption.epochs[0];
    const ahead = await bench.service.messages.serverKeys.at(bench.now - hour);
    expect(ahead.openers.map(({ kid }) => kid)).not.toContain(next?.kid);
    expect(await ahead.lookAgain?.(next?.kid ?? "")).toMatchObject({ kid: next?.kid });
  });

  test("fails/of another key generation it is none", async () => {
    await started();
    for (const generation of [0, 2]) {
      await expect(startFunction(generation).at(bench.now)).rejects.toMatchObject({ code: "unavailable" });
    }
  });

  test("fails/before the key set was ever signed there is none", async () => {
    const serverKeys = epochFunction({ read: async () => [undefined] }, wrapping.unwrap);
    await expect(serverKeys.at(bench.now)).rejects.toMatchObject({ code: "not-set-up" });
  });
});

describe("rotation", () => {
  test("ok/no message of a device that speaks every few hours ever meets a key that is gone", async () => {
    const device = await started();
    const answers: string[] = [];
    for (const end = bench.now + 40 * day; bench.now < end;) {
      await pass(5 * hour);
      answers.push(...(await answersTo(device)));
    }
    expect(new Set(answers)).toEqual(new Set(["sealed"]));
    expect(answers.length).toBe(192);
    expect((await storedList()).decryption.highest).toBeGreaterThanOrEqual(5);
  });

  test("ok/a copy that a relay held for a week is opened, whenever it was sealed", async () => {
    const device = await started();
    const held: { readonly token: string; readonly until: number }[] = [];
    for (const end = bench.now + 25 * day; bench.now < end;) {
      await pass(12 * hour);
      await device.checkFirmware();
      held.push({ token: posted.at(-1)?.token ?? "", until: bench.now + week });
      const due = held.filter(({ until }) => until <= bench.now);
      for (const { token } of due) expect(codeOf(await answer(token))).toBe("sealed");
      held.splice(0, due.length);
    }
  });

  test("ok/a device that slept through five epochs catches up with one request more", async () => {
    const device = await started();
    await device.checkFirmware();
    await pass(60 * day);
    expect((await storedList()).decryption.highest).toBeGreaterThan(6);
    expect(await answersTo(device)).toEqual(["key-retired", "sealed"]);
    expect(await answersTo(device)).toEqual(["sealed"]);
  });

  test("fails/what was recorded stays shut once its epoch is erased, also in a function that has unwrapped it", async () => {
    const device = await started();
    await device.checkFirmware();
    const token = posted.at(-1)?.token ?? "";
    const [first] = (await storedList()).decryption.epochs;
    if (!first || !("wrapped" in first.half)) throw new Error("no first epoch");
    const eraseAtOfFirst = async () => {
      const { decryption } = await storedList();
      return decryption.epochs.find(({ kid }) => kid === first.kid)?.eraseAt;
    };
    let eraseAt: number | undefined;
    while ((eraseAt = await eraseAtOfFirst()) === undefined) await pass(hour);
    // A function that read the list a moment before still judges each use.
    startFunction();
    expect(codeOf(await answer(token, eraseAt - 1))).toBe("sealed");
    expect(codeOf(await answer(token, eraseAt))).toBe("key-retired");
    bench.now = eraseAt;
    expect((await sign()).erased).toBe(2);
    const everything = JSON.stringify(await storedList());
    expect(everything).not.toContain(first.half.wrapped);
    expect(codeOf(await answer(token))).toBe("key-retired");
  });

  test("ok/replies are signed by the newest signing epoch that has begun", async () => {
    await started();
    const [first] = (await storedList()).signing.epochs;
    await pass(day);
    const [next] = (await storedList()).signing.epochs;
    if (!first || !next) throw new Error("no epochs");
    expect(next.nbf).toBeGreaterThan(bench.now);
    const signerAt = async (now: number) => (await startFunction().at(now)).replySigner.kid;
    expect(await signerAt(next.nbf - 1)).toBe(first.kid);
    expect(await signerAt(next.nbf)).toBe(next.kid);
  });

  test("ok/a key that cannot be made is said to be missing, and the present ones serve to their end", async () => {
    const device = await started();
    wrapping.state.down = true;
    for (let n = 0; n < 10; n += 1) {
      bench.now += 2 * day;
      const { failure, begun, version } = await sign();
      expect({ failure, begun, version }).toMatchObject({
        failure: { code: "unavailable" },
        begun: 0,
        version: bench.now,
      });
      expect(new Set(await answersTo(device))).toEqual(new Set(["sealed"]));
    }
    expect((await storedList()).decryption.epochs).toHaveLength(1);
    wrapping.state.down = false;
    expect(await sign()).toMatchObject({ begun: 2 });
  });

  test("fails/the first key cannot be made: nothing is written", async () => {
    wrapping.state.down = true;
    const before = await storedList();
    await expect(sign()).rejects.toMatchObject({ code: "unavailable" });
    expect(await storedList()).toEqual(before);
  });

  test("ok/an attempt that took too long writes nothing", async () => {
    const before = await storedList();
    let asked = 0;
    const slow = () => bench.now + (asked++ === 0 ? 0 : epochTimes.attemptSeconds + 1);
    await expect(publishKeySet(ports(inEpochs()), slow)).rejects.toMatchObject({ code: "unavailable" });
    expect(await storedList()).toEqual(before);
  });
});

describe("a restore", () => {
  test("ok/leaves no epoch but a new one, and devices catch up", async () => {
    const device = await started();
    await pass(20 * day);
    const before = await storedList();
    await sign(inEpochs(), 2);
    const { revision, generation, signing, decryption } = await storedList();
    expect(revision).toBeGreaterThan(before.revision);
    expect(generation).toBe(2);
    for (const [after, of] of [
      [signing, before.signing],
      [decryption, before.decryption],
    ] as const) {
      expect(after.epochs.map(({ epoch }) => epoch)).toEqual([of.highest + 1]);
    }
    startFunction(2);
    expect(await answersTo(device)).toEqual(["key-retired", "sealed"]);
  });

  test("fails/whoever signs for the generation before it writes nothing", async () => {
    await sign(inEpochs(), 2);
    const before = await storedList();
    await expect(sign(inEpochs(), 1)).rejects.toMatchObject({ code: "unavailable" });
    expect(await storedList()).toEqual(before);
  });
});

describe("from one custody to another", () => {
  /** As keys of KMS: those that the bench holds, which the list names by their thumbprints. */
  const inKms = (handover: boolean): MessageKeys => {
    const { signing, decryption } = heldKeys(bench.service.messageKeys);
    return {
      signing: { ...signing, wanted: { ...signing.wanted, handover } },
      decryption: { ...decryption, wanted: { ...decryption.wanted, handover } },
    };
  };
  const inEpochsWith = (handover: boolean) => epochKeys(wrapping.make, { handover });

  test("ok/with a handover, there and back, no message meets a key that is gone", async () => {
    await sign(inKms(false));
    startFunction();
    const device = await enrolled();
    const answers: string[] = [];
    const left: number[] = [];
    for (const keys of [inEpochsWith(true), inKms(true)]) {
      for (const end = bench.now + 40 * day; bench.now < end;) {
        await pass(8 * hour, keys);
        answers.push(...(await answersTo(device)));
      }
      left.push((await sign(keys)).leaving);
    }
    expect(new Set(answers)).toEqual(new Set(["sealed"]));
    expect(left).toEqual([0, 0]);
  });

  test("ok/the key that leaves is preferred until its successor has been listed for a week, and opens for two weeks after it was listed last", async () => {
    await sign(inKms(false));
    const [old] = (await storedList()).decryption.epochs;
    const keys = inEpochsWith(true);
    const begin = bench.now;
    await sign(keys);
    expect((await storedList()).decryption.epochs.map(({ nbf }) => nbf > bench.now)).toEqual([true, false]);
    await pass(week + hour, keys);
    expect((await storedList()).decryption.epochs[1]).toEqual(old);
    await pass(hour, keys);
    expect((await storedList()).decryption.epochs[1]).toEqual({ ...old, eraseAt: bench.now + epochTimes.keepSeconds });
    expect((await sign(keys)).leaving).toBe(2);
    await pass(begin + 22 * day - bench.now, keys);
    expect((await sign(keys)).leaving).toBe(0);
  });

  test("ok/without one it ends at once, and a message that was under way is sealed again", async () => {
    await sign(inKms(false));
    startFunction();
    const device = await enrolled();
    for (const keys of [inEpochsWith(false), inKms(false)]) {
      await sign(keys);
      startFunction();
      expect((await storedList()).decryption.epochs).toHaveLength(1);
      expect(await answersTo(device)).toEqual(["key-retired", "sealed"]);
      expect(await answersTo(device)).toEqual(["sealed"]);
      bench.now += hour;
    }
    expect(JSON.stringify(await storedList())).not.toContain("wrapped");
  });

  test("ok/back during the wait of the first epoch: no key is listed twice", async () => {
    await sign(inKms(false));
    startFunction();
    const device = await enrolled();
    await pass(3 * day, inEpochsWith(true));
    const answers: string[] = [];
    for (let n = 0; n < 45; n += 1) {
      await pass(day, inKms(true));
      answers.push(...(await answersTo(device)));
      const kids = (await storedList()).decryption.epochs.filter(({ eraseAt }) => eraseAt === undefined);
      expect(new Set(kids.map(({ kid }) => kid)).size).toBe(kids.length);
    }
    expect(new Set(answers)).toEqual(new Set(["sealed"]));
    expect((await sign(inKms(true))).leaving).toBe(0);
  });

  test.each(["signing", "decryption"] as const)("ok/mixed: %s in KMS, the other in epochs", async (use) => {
    const keys = { ...inEpochs(), [use]: inKms(false)[use] };
    await sign(keys);
    startFunction();
    const device = await enrolled();
    const { openers, replySigner } = await bench.service.messages.serverKeys.at(bench.now);
    const isAgreement = openers.map(({ alg }) => alg).includes("ECDH-ES+A256KW");
    expect(isAgreement).toBe(use === "signing");
    expect(replySigner.kid === bench.service.replyKey.kid).toBe(use === "signing");
    await pass(5 * day, keys);
    await answersTo(device);
    await pass(6 * day, keys);
    expect(new Set(await answersTo(device))).toEqual(new Set(["sealed"]));
    await pass(20 * day, keys);
    expect((await storedList())[use].epochs).toHaveLength(1);
  });
});
