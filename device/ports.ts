/** The device's two key pairs. P-256: ECDSA to sign, ECDH to open replies. Private keys need not be extractable. */
export type DeviceKeys = { readonly signing: CryptoKeyPair; readonly encryption: CryptoKeyPair };

/** `current` is certified (or about to be); `next` is the one candidate of a renewal. */
export type KeySlot = "current" | "next";

/**
 * Where private keys live. No backup of the state may ever roll this store back (delivery rule 15): a device whose keys went back past a
 * renewal is locked out.
 */
export type KeyStore = {
  /** Null where nothing was created. */
  load(slot: KeySlot): Promise<DeviceKeys | null>;
  /** Durable once it resolves. Keys that are already there are returned, never replaced. */
  create(slot: KeySlot): Promise<DeviceKeys>;
  /** `next` becomes `current`, atomically, and the old `current` is gone. Does nothing without a `next`. */
  promote(): Promise<void>;
  /** Null before the first. */
  readMarker(): Promise<CommandMarker | null>;
  /** Durable once it resolves. */
  writeMarker(marker: CommandMarker): Promise<void>;
  /** Destroys both slots and the marker; does nothing where there is nothing. */
  erase(): Promise<void>;
};

/**
 * The last command that a device decided about, written before it is started or refused. It lies beside the keys, so that a state document that was put back has
 * no command run twice; promoting a candidate keeps it.
 */
export type CommandMarker = {
  readonly deviceId: string;
  readonly n: number;
  readonly decision: "run" | "refused";
};

/** One durable JSON document. */
export type StateStore = {
  /** Null before the first save. What it returns is not trusted but parsed. */
  load(): Promise<unknown>;
  /** Atomic and durable once it resolves: a crash leaves the old document or the new one. */
  save(document: object): Promise<void>;
};

/** Whoever waits may have had enough: a port SHOULD end its work then, and is not waited for in any case. */
export type PortOptions = { readonly signal?: AbortSignal };

export type HttpAnswer = {
  readonly status: number;
  /** As received; empty where there is none. */
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
};

export type HttpStream = {
  readonly status: number;
  /** Offset of the first byte of `body` in the whole: what was asked for, or 0 where the Range was ignored. */
  readonly first: number;
  /** Breaking off the iteration ends the transfer. */
  readonly body: AsyncIterable<Uint8Array>;
};

/** Carries sealed messages and public objects. It is trusted with nothing. */
export type MessageTransport = {
  /** Follows no redirect and reads at most `limits.tokenBytes`. What it rejects with is shown to the user, and kept as `cause`. */
  post(url: string, token: string, options?: PortOptions): Promise<HttpAnswer>;
  /**
   * @param range inclusive byte offsets (RFC 9110 §14.1.2); without `last`, to the end
   * @param options.signal ends the transfer also while its body is read
   */
  get(
    url: string,
    range?: { readonly first: number; readonly last?: number },
    options?: PortOptions,
  ): Promise<HttpStream>;
};

/** One TLS connection to the bootstrap host. */
export type BootstrapConnection = {
  /**
   * Follows no redirect. Rejects with `DeviceError` `tls-not-trusted` before a byte of the request is sent if the host does not prove its name,
   * and with `unreachable` when no answer came.
   */
  post(
    url: string,
    headers: { readonly [name: string]: string },
    body: string,
    options?: PortOptions,
  ): Promise<HttpAnswer>;
  /** The connection is really closed once it resolves. */
  close(): Promise<void>;
};

export type BootstrapTransport = {
  /** @param ca PEM; when given, the only authority that counts */
  connect(ca: string | undefined): BootstrapConnection;
};

/** A release as a device names it; `counter` orders releases, `version` is for people. */
export type FirmwareVersion = { readonly version: string; readonly counter: number };

export type SlotStatus = {
  readonly running: FirmwareVersion;
  /** The running firmware was booted on trial and is not confirmed: the other slot is the way back. */
  readonly trial: boolean;
  /** What the next boot will try. */
  readonly next: FirmwareVersion | null;
};

/** A/B firmware slots and their bootloader. Only the inactive slot is ever written. */
export type FirmwareSlots = {
  status(): Promise<SlotStatus>;
  /** Up to `length` bytes of the inactive slot from `offset`; fewer where less was written. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Durable once it resolves; up to 1 MiB at once. Writing makes the inactive slot no longer bootable. `offset` never exceeds what was written
   * before.
   * @throws DeviceError `no-space`, which ends the update and is reported; nothing else does
   */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** SHA-256 of the first `size` bytes of the inactive slot (WebCrypto cannot hash a stream; flash controllers and Node can). */
  sha256(size: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The next boot tries the inactive slot, and the one after that goes back unless it was confirmed. */
  markBootable(firmware: FirmwareVersion): Promise<void>;
  /** The running firmware works: stay with it. */
  confirm(): Promise<void>;
};

/** Time and chance, so that tests have their own. */
export type Timing = {
  /** Seconds on a clock that never goes back; its zero means nothing. */
  monotonic(): number;
  sleep(seconds: number, options?: PortOptions): Promise<void>;
  /** [0, 1) */
  random(): number;
};

/** This start of the machine: what is known of the time where nobody says it. */
export type Uptime = {
  /** Another one after each start, 1 to 64 of `A-Za-z0-9-`. */
  bootId(): Promise<string>;
  /** Since that start, asleep or not. */
  seconds(): number;
};

/** Records of one stream that were handed in together and are sent together. */
export type SpoolEntry = {
  /** Never used twice, also not by another process. */
  readonly id: string;
  readonly stream: string;
  /** How many records it holds. */
  readonly records: number;
  /** Length of its content. */
  readonly bytes: number;
};

export type SpoolInput = { readonly stream: string; readonly records: number; readonly content: string };

/** What happens to readings that find the spool full: the oldest ones make room, or these are refused. */
export type WhenFull = "drop-oldest" | "refuse";

export type SpoolStatus = {
  readonly records: number;
  readonly bytes: number;
  /** Records that were dropped, for the life of the spool. */
  readonly dropped: number;
};

/**
 * Readings until they are in the queue of messages, bounded by bytes. Several processes may append at any time, none of which holds the home;
 * all else is for who holds it.
 */
export type ReadingSpool = {
  /**
   * Durable once it resolves, behind all that this process appended before; a crash leaves the first so many of the entries.
   * @returns how many records were dropped to make room
   * @throws DeviceError `spool-full`, and then nothing was appended
   */
  append(entries: readonly SpoolInput[], whenFull: WhenFull): Promise<{ readonly dropped: number }>;
  /** Oldest first. */
  list(): Promise<readonly SpoolEntry[]>;
  /**
   * The contents, in the order of `ids`; null for one that was dropped meanwhile. What is taken stays, and is not dropped any more, until it is
   * removed; who crashes in between finds it in the list again.
   */
  take(ids: readonly string[]): Promise<readonly (string | null)[]>;
  /** For good. What is not there is passed over. */
  remove(ids: readonly string[]): Promise<void>;
  /** As `remove`, and counts them as dropped: nobody can read them. */
  discard(ids: readonly string[]): Promise<void>;
  status(): Promise<SpoolStatus>;
};

export type DevicePorts = {
  readonly keys: KeyStore;
  readonly state: StateStore;
  readonly messages: MessageTransport;
  /** Only devices that send readings. */
  readonly readings?: ReadingSpool;
  /** Without it, a start of the machine is as long as this process. */
  readonly uptime?: Uptime;
  /** Only devices that update firmware. */
  readonly slots?: FirmwareSlots;
};
