#!/usr/bin/env python3
"""A shop that leaks: it answers its customers, and forgets to close when they have hung up.

    docs/leak.py [PORT [CONNECTIONS [EVERY_SECONDS]]]

Two processes, `shop` and `customer`; each connection lasts 50 ms for the customer. Ctrl-C ends both.
"""
import os
import selectors
import signal
import socket
import sys
import time

port, connections, every = (float(word) for word in (sys.argv[1:] + ["8080", "1000000", "0.5"][len(sys.argv) - 1 :]))


def call_me(name):
    with open("/proc/self/comm", "w") as comm:
        comm.write(name)


def customer():
    call_me("customer")
    for _ in range(int(connections)):
        with socket.create_connection(("127.0.0.1", int(port))) as shop:
            shop.sendall(b"one apple, please")
            shop.recv(100)
            time.sleep(0.05)
        time.sleep(every)
    time.sleep(3600)


def shop(listener):
    call_me("shop")
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    leaked = []
    while True:
        for key, _ in watched.select():
            if key.fileobj is listener:
                watched.register(listener.accept()[0], selectors.EVENT_READ)
            elif key.fileobj.recv(100):
                key.fileobj.sendall(b"there you are")
            else:
                watched.unregister(key.fileobj)
                leaked.append(key.fileobj)  # the bug: it should be closed here


listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
child = os.fork()
if child == 0:
    listener.close()
    try:
        customer()
    except (OSError, KeyboardInterrupt):
        pass  # the shop is gone
    os._exit(0)
signal.signal(signal.SIGTERM, signal.default_int_handler)
print(f"shop is process {os.getpid()}, on port {int(port)}", flush=True)
try:
    shop(listener)
except KeyboardInterrupt:
    pass
finally:
    os.kill(child, 15)
