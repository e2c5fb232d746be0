import { RemovalPolicy } from "aws-cdk-lib";
import { AnyPrincipal, ArnPrincipal, Effect, Grant, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IGrantable, IRole } from "aws-cdk-lib/aws-iam";
import { Key, KeySpec, KeyUsage } from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";

import type { Use } from "../functions/custody/custodies.ts";

export interface KeysProps {
  /** Part of the decryption key's id: a new generation is a new key. */
  readonly keyGeneration: number;
  /** Whether keys outlive the stack and deny their own deletion. */
  readonly retain: boolean;
}

/**
 * Every key of the service that lasts, each for one purpose; none ever leaves KMS. All are multi-Region from creation, because
 * a key cannot become so later and a second Region without the same keys is a second root of trust.
 */
export class Keys extends Construct {
  readonly root: Key;
  readonly issuingCa: Key;
  readonly keySet: Key;
  readonly firstToken: Key;
  readonly receipt: Key;
  readonly release: Key;
  readonly messageSigning: Key;
  readonly messageDecryption: Key;
  readonly secrets: Key;
  readonly #props: KeysProps;

  constructor(scope: Construct, id: string, props: KeysProps) {
    super(scope, id);
    this.#props = props;
    this.root = this.#signingKey("RootKey", "signs trust documents; operators only");
    this.issuingCa = this.#signingKey("IssuingCaKey", "signs device certificates");
    this.keySet = this.#signingKey("KeySetKey", "signs key sets");
    this.firstToken = this.#signingKey("FirstTokenKey", "signs first tokens at bootstrap");
    this.receipt = this.#signingKey("ReceiptKey", "signs receipts of de-registration");
    this.release = this.#signingKey("ReleaseKey", "signs firmware manifests; operators only");
    this.messageSigning = this.#signingKey("MessageSigningKey", "signs replies");
    this.messageDecryption = this.#key(
      `MessageDecryptionKey${props.keyGeneration}`,
      `opens requests, generation ${props.keyGeneration}`,
      KeySpec.RSA_2048,
      KeyUsage.ENCRYPT_DECRYPT,
    );
    this.secrets = this.#key(
      "SecretsKey",
      "wraps stored secrets, such as firmware content keys",
      KeySpec.SYMMETRIC_DEFAULT,
      KeyUsage.ENCRYPT_DECRYPT,
    );
  }

  /**
   * Denies these roles the operators' keys in the keys' own policies, which no grant and no policy of a role can
   * override. Not by `lambda:SourceFunctionArn`, which would catch every function of the account: AWS does not support
   * it in policies of resources. The operators' policies use it instead (`operator-policies.ts`).
   */
  denyOperatorKeys(roles: readonly IRole[]): void {
    for (const key of [this.root, this.release]) {
      key.addToResourcePolicy(
        new PolicyStatement({
          sid: "NoFunctionSigns",
          effect: Effect.DENY,
          principals: roles.map((role) => new ArnPrincipal(role.roleArn)),
          actions: ["kms:Sign", "kms:Verify", "kms:CreateGrant", "kms:PutKeyPolicy"],
          resources: ["*"], // in a key policy: this key
        }),
      );
    }
  }

  /** The key that messages are signed with or opened by, where that is in KMS. */
  messageKey(use: Use): Key {
    return { signing: this.messageSigning, decryption: this.messageDecryption }[use];
  }

  /** To make a content key and its wrapped form. */
  grantWrap(grantee: IGrantable): void {
    this.#grantSecrets(grantee, "kms:GenerateDataKey");
  }

  /** To open a wrapped content key. */
  grantUnwrap(grantee: IGrantable): void {
    this.#grantSecrets(grantee, "kms:Decrypt");
  }

  /** The encryption context `{ object }` ties a content key to its firmware, and CloudTrail shows it. */
  #grantSecrets(grantee: IGrantable, action: string): void {
    Grant.addToPrincipal({
      grantee,
      actions: [action],
      resourceArns: [this.secrets.keyArn],
      conditions: { Null: { "kms:EncryptionContext:object": "false" } },
    });
  }

  #signingKey(id: string, description: string): Key {
    return this.#key(id, description, KeySpec.ECC_NIST_P256, KeyUsage.SIGN_VERIFY);
  }

  #key(id: string, description: string, keySpec: KeySpec, keyUsage: KeyUsage): Key {
    const key = new Key(this, id, {
      description: `Sealpost ${id}: ${description}`,
      keySpec,
      keyUsage,
      multiRegion: true,
      // KMS rotates symmetric keys alone. The others rotate by a new key and a new key set or trust document.
      ...(keySpec === KeySpec.SYMMETRIC_DEFAULT && { enableKeyRotation: true }),
      removalPolicy: this.#props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    if (this.#props.retain) {
      key.addToResourcePolicy(
        new PolicyStatement({
          sid: "NobodyDeletes",
          effect: Effect.DENY,
          principals: [new AnyPrincipal()],
          actions: ["kms:ScheduleKeyDeletion"],
          resources: ["*"],
        }),
      );
    }
    return key;
  }
}
