FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt
COPY toolchain /usr/local/rust
ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
