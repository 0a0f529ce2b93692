FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends wget
COPY nats-server /usr/local/bin/
ENTRYPOINT ["nats-server"]
