import { CfnElement, Stack, Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

import type { Api } from "./api.ts";
import type { Edge } from "./edge.ts";
import type { Epochs } from "./epochs.ts";
import type { Events } from "./events.ts";
import type { FirmwareStore } from "./firmware-store.ts";
import type { OperatorPolicies } from "./operator-policies.ts";
import type { Registry } from "./registry.ts";

/** The parts of the service that break a rule. */
export interface Exceptional {
  readonly api: Api;
  readonly epochs: Epochs;
  readonly events: Events;
  readonly firmwareStore: FirmwareStore;
  readonly edge: Edge;
  readonly operatorPolicies: OperatorPolicies;
  readonly registry: Registry;
}

/** Rules of cdk-nag's AwsSolutions pack that this service breaks on purpose, each with the reason. */
export function acknowledgeExceptions(parts: Exceptional, emulated: boolean): void {
  const { api, epochs, firmwareStore, edge, operatorPolicies } = parts;
  acknowledgeEvents(parts, emulated);
  acknowledge(epochs.table, {
    "AwsSolutions-DDB3":
      "It holds wrapped private keys that must be gone once they are erased; a copy would open what was recorded. A lost table costs each device one round.",
  });
  for (const route of ["POST /bootstrap/token", "POST /bootstrap/certificate"]) {
    acknowledge(api.node.findChild(route), {
      "AwsSolutions-APIG4":
        "The bootstrap function authenticates this route itself, by a single-use credential and then by the first token, which no authorizer of API Gateway can check; both routes are throttled.",
    });
  }
  for (const route of ["POST /messages", "POST /batches"]) {
    acknowledge(api.node.findChild(route), {
      "AwsSolutions-APIG4":
        "A message is authenticated by the device's signature inside it; nothing outside the encryption may name the device.",
    });
  }
  acknowledge(api.node.findChild("GET /keys"), {
    "AwsSolutions-APIG4": "The key set is public and signed.",
  });
  acknowledge(firmwareStore.bucket, {
    "AwsSolutions-S1":
      "The one reader is the distribution and every release is in the journal with who published it; access logs of S3 are left to the account, which can turn on CloudTrail data events for the bucket.",
  });
  if (emulated) {
    acknowledge(firmwareStore.bucket, {
      "AwsSolutions-S10":
        "An emulator on this machine has no TLS; production enforces it for all but CloudFront, which forwards ciphertext with signed digests.",
    });
  }
  acknowledge(edge.distribution, {
    "AwsSolutions-CFR1": "Devices may be anywhere.",
    "AwsSolutions-CFR2":
      "A web firewall sees only ciphertext here; a deployment that wants its rate limits attaches one to the distribution.",
    "AwsSolutions-CFR3":
      "Requests that reach the API are in its access log; what a device did with its firmware is in its sealed reports. No more is kept about who asked when.",
    "AwsSolutions-CFR4":
      "Plain HTTP is allowed on purpose, because everything that passes is sealed or signed end to end, so that the TLS version of a viewer protects nothing more.",
  });

  const one = "A path parameter stands for the id of one device, credential or command, which IAM cannot know.";
  const stack = Stack.of(api);
  const invoke = (methodAndPath: string) =>
    `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${logicalId(stack, api.httpApi)}>/$default/${methodAndPath}]`;
  const { enrolling, revoking, commanding, reading, releasing } = operatorPolicies;
  for (const policy of [enrolling, revoking, commanding, reading]) {
    acknowledge(policy, { [invoke("GET/operator/devices/*")]: one });
  }
  for (const policy of [enrolling, revoking]) {
    acknowledge(policy, { [invoke("POST/operator/credentials/*/revoke")]: one });
  }
  acknowledge(revoking, { [invoke("POST/operator/devices/*/revoke")]: one });
  for (const policy of [commanding, reading]) {
    acknowledge(policy, { [invoke("GET/operator/commands/*")]: one, [invoke("GET/operator/commands/*/*")]: one });
  }
  acknowledge(commanding, {
    [invoke("POST/operator/commands/*")]: one,
    [invoke("POST/operator/commands/*/*/cancel")]: one,
  });
  acknowledge(releasing, {
    [`AwsSolutions-IAM5[Resource::<${logicalId(stack, firmwareStore.bucket)}.Arn>/firmware/*]`]:
      "The names of firmware objects are random; the prefix holds nothing else.",
  });
}

function acknowledgeEvents({ api, events, registry }: Exceptional, emulated: boolean): void {
  const stack = Stack.of(api);
  const { failures, parked, tail } = events;
  acknowledge(failures, {
    "AwsSolutions-S1":
      "Lambda alone writes it, and hardly ever; access logs of S3 are left to the account, which can turn on CloudTrail data events for the bucket.",
  });
  acknowledge(parked, {
    "AwsSolutions-SQS3":
      "It is itself where what cannot be delivered waits: nothing takes from it but on an operator's call.",
  });
  if (tail) {
    acknowledge(tail, {
      "AwsSolutions-SQS3": "A command on this machine reads it; what nobody reads goes in an hour.",
    });
  }
  if (emulated) {
    acknowledge(failures, { "AwsSolutions-S10": "An emulator on this machine has no TLS; production enforces it." });
    for (const queue of tail ? [parked, tail] : [parked]) {
      acknowledge(queue, { "AwsSolutions-SQS4": "An emulator on this machine has no TLS; production enforces it." });
    }
  }
  acknowledge(events.function, {
    [`AwsSolutions-IAM5[Resource::<${logicalId(stack, failures)}.Arn>/aws/lambda/*]`]:
      "Lambda chooses the names of what it gives up; nothing else is in the bucket.",
    ...Object.fromEntries(
      [registry.devices, registry.journal].map((table) => [
        `AwsSolutions-IAM5[Resource::<${logicalId(stack, table)}.Arn>/stream/*]`,
        "A table lists all its streams or none.",
      ]),
    ),
  });
}

function acknowledge(construct: IConstruct, reasons: Readonly<Record<string, string>>): void {
  for (const [id, reason] of Object.entries(reasons)) {
    Validations.of(construct).acknowledge({ id: `AwsSolutions::${id}`, reason });
  }
}

function logicalId(stack: Stack, construct: IConstruct): string {
  const element = construct.node.defaultChild;
  if (!CfnElement.isCfnElement(element)) {
    throw new Error(`${construct.node.path} has no resource of its own`);
  }
  return stack.getLogicalId(element);
}
