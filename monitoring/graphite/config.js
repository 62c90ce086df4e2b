// StatsD's settings, for the stack in containers and the one without. StatsD reads this file as
// the inside of an assignment, so it is one expression.
{
  address: process.env.MONITORING_STATSD_ADDRESS || "0.0.0.0",
  port: Number(process.env.MONITORING_STATSD_PORT || 8125),
  // Whoever reaches the admin port can delete counters: it is for this host alone.
  mgmt_address: process.env.MONITORING_STATSD_ADMIN_ADDRESS || "127.0.0.1",
  mgmt_port: Number(process.env.MONITORING_STATSD_ADMIN_PORT || 8126),

  backends: ["./backends/graphite"],
  graphiteHost: process.env.MONITORING_CARBON_HOST || "127.0.0.1",
  graphitePort: Number(process.env.MONITORING_CARBON_PORT || 2003),
  // Counters become `stats.counters.<name>.count` and `.rate`, instead of two trees.
  graphite: { legacyNamespace: false },

  // Must be what the finest archive in storage-schemas.conf holds, and a whole number of seconds:
  // StatsD dates a flush to the nearest second, and Graphite keeps the last of two points that
  // have one date. With whole seconds StatsD aims each flush at a full second, so that no two
  // have the same date, unless the clock is set back.
  flushInterval: 1000,

  // What nobody reports any more ends; a zero for each second would fill disk and pictures.
  deleteIdleStats: true,
  // A gauge is reported once a second. One report that comes late, just after a flush, must leave
  // no hole; after this many flushes without any, the gauge is over.
  gaugesMaxTTL: 3,

  // The process stays recognisable by its command line.
  title: false,
  // A file that is written anew while StatsD runs would be read half done.
  automaticConfigReload: false,
}
