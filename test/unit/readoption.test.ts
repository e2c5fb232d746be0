import { beforeEach, describe, expect, test } from "vitest";

import { answerMessage } from "../../functions/receive/answer.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Speaker, actionsOf, itemsOf, newKeys, revoke, speaker, stored, unforgotten } from "./speaker.ts";

let service: TestService;
let first: Speaker;

beforeEach(async () => {
  service = await startService();
  const device = await rawDevice(service);
  first = await speaker(service, device.deviceId, { signing: device.signer, encryption: device.encryption });
});

const register = (by: Speaker, seq: number) => by.claims("register", registration, { seq });

/** The service after a disaster: the same keys and the same journal, and tables that know no device. */
async function restored(): Promise<TestService> {
  const store = memoryStore();
  const items = await unforgotten(service, first.deviceId);
  await store.write(items.map((item) => ({ table: "journal", item, when: "absent" })));
  return { ...service, store, messages: { ...service.messages, store, generation: 2 } };
}

const inService = (there: TestService, by: Speaker) => speaker(there, by.deviceId, by.keys);

describe("re-adoption", () => {
  test("ok/once, with what the journal says of the certificate", async () => {
    await first.exchange(register(first, 1));
    const there = await restored();
    const again = await inService(there, first);
    expect((await again.exchange(register(again, 40))).status).toBe("ok");
    expect(await actionsOf(there, first.deviceId)).toContain("device.readopted");
    const { identity } = await stored(service, first.deviceId);
    expect((await stored(there, first.deviceId)).identity).toMatchObject({
      keys: identity.keys,
      certificate: identity.certificate,
      serialNumber: identity.serialNumber,
    });
  });

  test("ok/50 at once adopt one device once", async () => {
    const there = await restored();
    const { token } = await first.seal(register(first, 40));
    const answers = await Promise.all(Array.from({ length: 50 }, () => answerMessage(there.messages, token, present)));
    expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(["sealed"]));
    expect(await stored(there, first.deviceId)).toMatchObject({ stored: { window: { revision: 0 } } });
    expect((await actionsOf(there, first.deviceId)).filter((action) => action === "device.readopted")).toHaveLength(1);
  });

  test("ok/by any message, since a device cannot know that it was forgotten", async () => {
    await first.exchange(register(first, 1));
    const there = await restored();
    const again = await inService(there, first);
    const sent = again.claims("firmware.check", { firmware: registration.firmware }, { seq: 40 });
    expect(await again.exchange(sent)).toMatchObject({ status: "ok", body: { offer: null } });
    expect((await stored(there, first.deviceId)).identity.registration).toMatchObject(registration);
  });

  test("fails/a signature by another key", async () => {
    const there = await restored();
    const stranger = await speaker(there, first.deviceId, await newKeys());
    expect((await stranger.answer(register(stranger, 1))).kind).toBe("problem");
    expect(await itemsOf(there, first.deviceId)).toEqual([]);
  });

  const endings: [string, () => Promise<unknown>][] = [
    ["revoked", () => revoke(service, first.deviceId)],
    ["gone", () => first.exchange(first.claims("deregister", {}, { seq: 1 }))],
  ];
  test.each(endings)("fails/a device that the journal says is %s", async (status, end) => {
    await end();
    const there = await restored();
    expect((await first.exchange(register(first, 50), { ports: there.messages })).status).toBe(status);
    expect(await itemsOf(there, first.deviceId)).toMatchObject([
      { status: status === "gone" ? "deregistered" : status },
      { high: 50 },
    ]);
  });
});

describe("re-adoption after renewals", () => {
  const renew = async (by: Speaker, seq: number, jti: string, now = present) => {
    const next = await speaker(service, by.deviceId, await newKeys());
    await by.exchange(by.claims("renew", await by.renewal(next.keys), { seq }, { jti }), { now });
    return next;
  };

  test("ok/the newest key is adopted, and the one before it while nobody knows that it ended", async () => {
    const second = await renew(first, 1, "a".repeat(16));
    for (const by of [second, first]) {
      const there = await restored();
      const again = await inService(there, by);
      expect((await again.exchange(register(again, 40))).status).toBe("ok");
    }
  });

  test("fails/a key that ended stays ended", async () => {
    const second = await renew(first, 1, "a".repeat(16));
    await second.exchange(register(second, 2));
    const there = await restored();
    expect((await first.answer(register(first, 40), { ports: there.messages })).kind).toBe("problem");
    expect((await second.answer(register(second, 40), { ports: there.messages })).kind).toBe("sealed");
  });

  test("fails/the first key of a device that renewed twice", async () => {
    const second = await renew(first, 1, "a".repeat(16));
    const third = await renew(second, 2, "b".repeat(16), present + 1);
    const there = await restored();
    expect((await first.answer(register(first, 40), { ports: there.messages })).kind).toBe("problem");
    expect((await third.answer(register(third, 40), { ports: there.messages })).kind).toBe("sealed");
  });

  test("ok/two renewals of one second are told apart by seq, whatever their jti", async () => {
    const second = await renew(first, 1, "z".repeat(16));
    const third = await renew(second, 2, "a".repeat(16));
    const there = await restored();
    const again = await inService(there, third);
    expect((await again.exchange(register(again, 40))).status).toBe("ok");
    expect((await stored(there, first.deviceId)).identity.renewalSeq).toBe(2);
  });
});
