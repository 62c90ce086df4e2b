# The image of the binary `loadgen`, for the reference servers of monitoring/docker-compose.yml and
# for whoever wants to run loads from a container:
#
#   docker build --tag loadgen:local .
#   docker run --rm loadgen:local run --scenario hello_high
#
# or of the static binary that `just dist` has left in target/dist:
#
#   docker build --tag loadgen:local --file Dockerfile --target dist target/dist
#
# Needs BuildKit, for the cache mounts. Both images are pinned by tag and by digest, which is that
# of the index of all platforms. They are of one Debian release: the binary needs the C library that
# it was linked against.
FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /src
# .dockerignore leaves what the build reads.
COPY . .
# Platforms must not share objects.
ARG TARGETARCH
RUN --mount=type=cache,id=loadgen-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=loadgen-target-${TARGETARCH},target=/src/target,sharing=locked \
    cargo build --release --locked --package loadgen-cli --bin loadgen \
    && install -D --mode=0755 target/release/loadgen /out/loadgen

# The C library, libgcc and the certificates of authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loadgen" \
      org.opencontainers.image.description="Drive load at gRPC and WebSocket services and say truthfully how they held up" \
      org.opencontainers.image.source="https://github.com/loadgen/loadgen" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY LICENSE /usr/share/doc/loadgen/LICENSE
# `nonroot` by its number, so that it can be checked without looking into the image.
USER 65532:65532
EXPOSE 50051 8080
ENTRYPOINT ["/usr/local/bin/loadgen"]
CMD ["--help"]

# Its context is target/dist.
FROM base AS dist
COPY loadgen /usr/local/bin/loadgen

FROM base
COPY --from=build /out/loadgen /usr/local/bin/loadgen
