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
  /** Destroys both slots; does nothing where there is nothing. */
  erase(): Promise<void>;
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

export type DevicePorts = {
  readonly keys: KeyStore;
  readonly state: StateStore;
  readonly messages: MessageTransport;
  /** Only devices that update firmware. */
  readonly slots?: FirmwareSlots;
};
