"""Where MiniStack is not AWS in ways that Sealpost rests on. Each measure wraps one function of it; `requirements.txt` pins its version."""

import collections
import json
import os
import re
import threading

from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import lambda_svc

WORKERS_A_FUNCTION = 8

# See emulator.ts.
FUNCTION_LINES = 3

KMS_CONDITION_FIELDS = {
    "kms:signingalgorithm": "SigningAlgorithm",
    "kms:encryptionalgorithm": "EncryptionAlgorithm",
    "kms:datakeypairspec": "KeyPairSpec",
    "kms:messagetype": "MessageType",
}


def limit_workers() -> None:
    """A burst waits for one of a few workers instead of starting one for each request.

    Sixty processes that start at once on two cores end in each other's time-outs. A function that invoked itself would
    wait for itself for ever; none of ours does.
    """
    gates = collections.defaultdict(lambda: threading.BoundedSemaphore(WORKERS_A_FUNCTION))
    execute = lambda_svc._execute_function_warm

    def gated(function, event, request_id):
        with gates[(function.get("config") or function)["FunctionName"]]:
            return execute(function, event, request_id)

    lambda_svc._execute_function_warm = gated


def contain_failed_start() -> None:
    """A worker that cannot start fails its own invocation; MiniStack would end every worker of that function."""
    invoke = lambda_runtime.Worker.invoke

    def contained(self, event, request_id, **more):
        try:
            return invoke(self, event, request_id, **more)
        except Exception as error:
            process, self._proc = self._proc, None
            lambda_runtime._signal(process)
            return {"status": "error", "error": str(error), "log": ""}

    lambda_runtime.Worker.invoke = contained


def evaluate_kms_conditions() -> None:
    """MiniStack resolves no `kms:` condition key, so that what is granted under one would never be allowed."""
    tag_context = iam_actions.request_tag_context

    def context(service, iam_action, body, params):
        keys = tag_context(service, iam_action, body, params)
        if service != "kms" or body[:1] != b"{":
            return keys
        request = json.loads(body)
        encryption = request.get("EncryptionContext") or {}
        keys |= {f"kms:encryptioncontext:{name.lower()}": value for name, value in encryption.items()}
        if encryption:
            keys["kms:encryptioncontextkeys"] = list(encryption)
        keys |= {key: request[field] for key, field in KMS_CONDITION_FIELDS.items() if field in request}
        return keys

    iam_actions.request_tag_context = context


def name_actions_of_batches() -> None:
    """AWS allows a batch of SQS by the action of one message, and knows no other; MiniStack asks for one of the batch."""
    extract = iam_actions.extract_iam_action

    def extracted(*request, **more):
        action = extract(*request, **more)
        return re.sub(r"^(sqs:\w+)Batch$", r"\1", action) if action else action

    iam_actions.extract_iam_action = extracted


def name_roles_of_sessions() -> None:
    """`aws:PrincipalArn` of a role's session is the role, as AWS has it; MiniStack gives the session."""
    resolve = iam_evaluator._resolve_condition_key

    def resolved(key, context):
        value = resolve(key, context)
        if key.lower() != "aws:principalarn" or not isinstance(value, str):
            return value
        return re.sub(r"^arn:(\S+?):sts::(\d+):assumed-role/([^/]+)/.*$", r"arn:\1:iam::\2:role/\3", value)

    iam_evaluator._resolve_condition_key = resolved


def hand_on_lines() -> None:
    """What functions print goes to the process that started this one as well, line by line, over a pipe."""
    lines = os.fdopen(FUNCTION_LINES, "w", buffering=1, encoding="utf-8")
    write = lambda_svc._emit_lambda_logs

    def handed_on(function, request_id, text, error, *more, **named):
        for line in text.splitlines():
            try:
                lines.write(line + "\n")
            except OSError:
                break
        return write(function, request_id, text, error, *more, **named)

    lambda_svc._emit_lambda_logs = handed_on


def apply() -> None:
    limit_workers()
    contain_failed_start()
    evaluate_kms_conditions()
    name_actions_of_batches()
    name_roles_of_sessions()
    hand_on_lines()
