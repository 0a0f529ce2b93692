FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends nginx wget
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
