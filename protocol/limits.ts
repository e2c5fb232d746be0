/**
 * Every number of the protocol in one place. Both ends refuse what exceeds them before spending work on it.
 * Bytes are of the serialised form, times are seconds.
 */
export const limits = {
  /** A whole compact token, request or reply. */
  tokenBytes: 307_200,
  /** The least that a device may name as the largest reply it takes: every refusal fits. */
  leastReplyBytes: 2_048,
  /** A decoded protected header; a later key encapsulation of 1.6 KB fits in one. */
  headerBytes: 4_096,
  /** A certificate, base64: four times what a post-quantum one takes. */
  certificateCharacters: 32_768,
  /** A receipt: three times what one under a post-quantum signature takes. */
  receiptBytes: 16_384,
  /** A JSON body of the bootstrap routes. */
  bootstrapBytes: 16_384,
  /** JSON nesting; far below what exhausts a recursive parser. */
  jsonDepth: 16,
  /** `W` of the delivery rules: how far a `seq` may run ahead of the oldest unresolved one. */
  window: 128,
  /**
   * Claims are padded to the first of `sizes` that holds them, and beyond to a multiple of `step`. All are multiples of 3, so that base64url wastes nothing.
   * The first size is the smallest that holds every routine message, which `register` is not; of replies the last holds a certificate, a receipt or an offer, which then look alike.
   */
  padding: {
    request: { sizes: [498], step: 96 },
    reply: { sizes: [285, 576, 1_200], step: 600 },
  },
  /** Claims of a request are valid for this long when the device names no other lifetime. */
  lifetimeSeconds: 86_400,
  /** The longest lifetime a request may claim: store-and-forward links. */
  longestLifetimeSeconds: 604_800,
  /** How far a clock may be off before `iat` lies in the future. */
  clockSkewSeconds: 60,
  /** RFC 9068 access token of the bootstrap. */
  firstTokenSeconds: 300,
  /** A key set older than this prompts a fetch, never a stop. */
  keySetSeconds: 604_800,
  /** A trust document, all its signatures together: what an operator may publish. */
  trustDocumentBytes: 65_536,
  /** A chain of trust documents as the service keeps it: leaves room for a key set in the answer of `GET /keys`. */
  trustChainBytes: 262_144,
  /** What a device takes as its poll interval is clamped to these. */
  pollSeconds: { least: 60, most: 604_800 },
  /** What is not authenticated may delay a device's next try by at most this. */
  retrySeconds: 3_600,
  /** Bases of the message plane that a device keeps of all the trust documents that it believed. */
  rememberedBases: 32,
  /** A device that knows of newer documents asks every base for them at most once in this time. */
  catchUpSeconds: 3_600,
  /** One try of a message or of `/keys`, from the connection to the last byte; for an image, until it begins. */
  trySeconds: 30,
  /** Messages that travel together. The answer's bytes are below what a function may hand back, and the request's in base64 below what it may be handed. */
  batch: { tokens: 100, requestBytes: 4_194_304, replyBytes: 5_000_000 },
  readings: {
    /** Records of one message. */
    records: 100,
    /** The body of one message as JSON without white space: leaves room for everything else of the device's one item. */
    bytes: 65_536,
  },
  commands: {
    /** The arguments of a command, and the output of its result, each as JSON without white space. */
    bytes: 4_096,
    /** Nesting of either; with all that stands around it, it stays below `jsonDepth`. */
    depth: 8,
    /** Commands of one device that have no end yet. */
    open: 16,
  },
  firmware: {
    /** An image that comes more slowly, over `trySeconds`, is asked for again, elsewhere if there is an elsewhere. */
    leastBytesPerSecond: 128,
    /** Plaintext bytes of an image. */
    imageBytes: 1_073_741_824,
    /** Plaintext bytes of a record, all but the last: a device holds one whole in memory. */
    recordBytes: { least: 1_024, most: 1_048_576 },
    /** All tokens of a manifest together; several signatures of a suite to come fit. */
    manifestBytes: 65_536,
  },
} as const;
