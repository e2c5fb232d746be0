"""Listens on a Unix datagram socket as systemd does, and prints each message as one line of JSON."""

import json
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    data, descriptors, _flags, _address = socket.recv_fds(listener, 4096, 8)
    # BARRIER=1: closing what it carries says that everything before it was read.
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(data.decode()), flush=True)
