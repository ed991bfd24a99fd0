"""A connection that speaks SQS's JSON protocol to whichever endpoint answers."""

import collections
import http.client
import itertools
import json
import time

#: What an answer of 5xx, a cut connection or a refused one may mean is unknown.
UNKNOWN = (OSError, http.client.HTTPException)
#: Before the next endpoint is asked.
PAUSE_SECONDS = 0.01


class Client:
    """One connection; whoever gets no answer at one endpoint goes on at the next."""

    #: How many have begun, so that they spread.
    begun = itertools.count()
    #: How often all asked, and why no answer came, or none that says what became of it.
    asked, unanswered = 0, collections.Counter()

    def __init__(self, endpoints):
        self.endpoints, self.connection = endpoints.split(","), None
        self.place = next(self.begun)

    def insist(self, action, **request):
        """Asks until there is an answer."""
        while True:
            try:
                return self.ask(action, **request)
            except UNKNOWN:
                pass

    def ask(self, action, **request):
        """Returns the answer; raises one of UNKNOWN if it cannot be known what became of it."""
        Client.asked += 1
        try:
            return self.ask_once(action, request)
        except UNKNOWN as error:
            self.unanswered[f"{action}: {error!r}"[:160]] += 1
            self.place += 1
            if self.connection is not None:
                self.connection.close()
                self.connection = None
            time.sleep(PAUSE_SECONDS)
            raise

    def ask_once(self, action, request):
        if self.connection is None:
            host, port = self.endpoints[self.place % len(self.endpoints)].rsplit(":", 1)
            self.connection = http.client.HTTPConnection(host, int(port), timeout=20)
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        self.connection.request("POST", "/", json.dumps(request), headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 500:
            raise http.client.HTTPException(text)
        if response.status != 200:
            raise RuntimeError(f"{action}: {response.status} {text}")
        return json.loads(text or b"{}")
