import type {
  BootstrapTransport,
  FirmwareSlots,
  KeyStore,
  MessageTransport,
  ReadingSpool,
  StateStore,
} from "../../../device/ports.ts";
import type { Home } from "./bench.ts";

/** The power cut of the tests: neither a DeviceError nor a fault that anything may handle. */
export class PowerCut extends Error {
  override name = "PowerCut";
}

type Strike = "before" | "after";

/**
 * Ports that lose power at the n-th call, before or after it takes effect, and stay dead. What the stores hold survives.
 */
function dyingHome(home: Home, strikeAt: number, strike: Strike): Home & { readonly calls: () => number } {
  let calls = 0;
  let dead = false;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw new PowerCut();
    calls += 1;
    dead = calls === strikeAt;
    if (dead && strike === "before") throw new PowerCut();
    const result = await work();
    if (dead) throw new PowerCut();
    return result;
  };
  const keys: KeyStore = {
    load: (slot) => guard(() => home.keys.load(slot)),
    create: (slot) => guard(() => home.keys.create(slot)),
    promote: () => guard(() => home.keys.promote()),
    readMarker: () => guard(() => home.keys.readMarker()),
    writeMarker: (marker) => guard(() => home.keys.writeMarker(marker)),
    erase: () => guard(() => home.keys.erase()),
  };
  const state: StateStore = {
    load: () => guard(() => home.state.load()),
    save: (document) => guard(() => home.state.save(document)),
  };
  const messages: MessageTransport = {
    post: (url, token) => guard(() => home.messages.post(url, token)),
    get: (url, range) => guard(() => home.messages.get(url, range)),
  };
  const bootstrap: BootstrapTransport = {
    connect(ca) {
      const connection = home.bootstrap.connect(ca);
      return {
        post: (url, headers, body) => guard(() => connection.post(url, headers, body)),
        close: () => connection.close(),
      };
    },
  };
  return {
    keys,
    state,
    messages,
    bootstrap,
    ...(home.slots && { slots: dyingSlots(home.slots, guard) }),
    ...(home.readings && { readings: dyingSpool(home.readings, guard) }),
    calls: () => calls,
  };
}

function dyingSlots(slots: FirmwareSlots, guard: <T>(work: () => Promise<T>) => Promise<T>): FirmwareSlots {
  return {
    status: () => guard(() => slots.status()),
    read: (offset, length) => guard(() => slots.read(offset, length)),
    write: (offset, bytes) => guard(() => slots.write(offset, bytes)),
    sha256: (size) => guard(() => slots.sha256(size)),
    markBootable: (firmware) => guard(() => slots.markBootable(firmware)),
    confirm: () => guard(() => slots.confirm()),
  };
}

function dyingSpool(spool: ReadingSpool, guard: <T>(work: () => Promise<T>) => Promise<T>): ReadingSpool {
  return {
    append: (entries, whenFull) => guard(() => spool.append(entries, whenFull)),
    list: () => guard(() => spool.list()),
    take: (ids) => guard(() => spool.take(ids)),
    remove: (ids) => guard(() => spool.remove(ids)),
    discard: (ids) => guard(() => spool.discard(ids)),
    status: () => guard(() => spool.status()),
  };
}

/**
 * Runs a verb again and again, each time losing power one call later, until it once completes untouched.
 * @param run the verb from a fresh start, as after a reboot
 * @param check what must hold after it was cut off there and then run to its end
 */
export async function atEveryCall(input: {
  readonly strike: Strike;
  readonly start: () => Promise<Home>;
  readonly run: (home: Home) => Promise<void>;
  readonly check: (home: Home, where: string) => Promise<void>;
}): Promise<number> {
  for (let strikeAt = 1; ; strikeAt += 1) {
    const home = await input.start();
    const dying = dyingHome(home, strikeAt, input.strike);
    const survived = await input.run(dying).then(
      () => true,
      () => false,
    );
    if (dying.calls() < strikeAt) {
      if (!survived) throw new Error("the untouched run failed");
      return strikeAt - 1;
    }
    await input.run(home);
    await input.check(home, `power cut ${input.strike} call ${strikeAt}`);
  }
}
