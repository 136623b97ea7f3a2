"""listens.py PORT [--delay SECONDS] [--status FILE]: after the delay answers any GET on 127.0.0.1:PORT.

The answer is 200 `{"status": "ok"}`, or the status that stands in FILE at that moment; `hang` there
never answers.
"""

import argparse
import http.server
import json
from pathlib import Path

from started import say_started, sleep_on

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("--delay", type=float, default=0)
options.add_argument("--status", type=Path)
said = options.parse_args()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wish = "" if said.status and said.status.exists() else "200"
        while not wish:  # a file is empty for a moment while it is written anew
            wish = said.status.read_text(encoding="utf-8").strip()
        if wish == "hang":
            sleep_on()
        body = json.dumps({"status": "ok" if wish == "200" else "broken"}).encode()
        self.send_response(int(wish))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


say_started()
sleep_on(said.delay)
http.server.ThreadingHTTPServer.daemon_threads = True
with http.server.ThreadingHTTPServer(("127.0.0.1", said.port), Answer) as server:
    print(f"listening on {said.port}", flush=True)
    server.serve_forever()
