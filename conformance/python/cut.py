"""A cable between a client and the broker, which can be cut."""

import asyncio
import threading


class Cable:
    """Carries bytes from an address of its own to another, both ways, until it is cut; new connections are carried again."""

    def __init__(self, address):
        self.host, port = address.rsplit(":", 1)
        self.port, self.cuts, self.writers = int(port), 0, set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.drop()

    def cut(self):
        """Ends all connections at once, as a router that loses its power does."""
        self.cuts += 1
        self.drop()

    def drop(self):
        for writer in self.writers:
            writer.transport.abort()

    async def carry(self, reader, writer):
        try:
            there, back = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        ours = {writer, back}
        self.writers |= ours
        await asyncio.gather(self.copy(reader, back), self.copy(there, writer))
        self.writers -= ours

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        writer.transport.abort()


class ThreadedCable:
    """The same for a client that knows nothing of asyncio: it has a thread of its own."""

    def __init__(self, address):
        self.loop, self.cable = asyncio.new_event_loop(), Cable(address)
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self.cable.__aenter__(), self.loop).result()
        self.address = self.cable.address

    def cut(self):
        self.loop.call_soon_threadsafe(self.cable.cut)
