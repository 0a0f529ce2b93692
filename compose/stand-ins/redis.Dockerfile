FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends redis-server
RUN install -d -o redis -g redis /data
WORKDIR /data
VOLUME /data
USER redis
