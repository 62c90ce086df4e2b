"""graphite-web's settings, for the stack in containers and the one without.

The defaults are the folders of the image graphiteapp/graphite-statsd. What is not set here,
graphite-web takes from GRAPHITE_STORAGE_DIR and GRAPHITE_CONF_DIR, or has a default for.
"""

import os
import secrets

ALLOWED_HOSTS = os.environ.get("GRAPHITE_ALLOWED_HOSTS", "*").split(",")
# Signs the cookies of who is logged in. Without one, log-ins end with the process.
SECRET_KEY = os.environ.get("GRAPHITE_SECRET_KEY") or secrets.token_hex(32)
TIME_ZONE = os.environ.get("GRAPHITE_TIME_ZONE", "UTC")

LOG_DIR = os.environ.get("GRAPHITE_LOG_DIR", "/var/log/graphite")
LOG_INFO_PERFORMANCE = False
# What the pages in the browser are made of, where no web server in front has it.
STATIC_ROOT = os.environ.get("GRAPHITE_STATIC_ROOT", "")
if "GRAPHITE_WEBAPP_DIR" in os.environ:
    # Below it, in `content`, the dashboard page looks for its themes.
    WEBAPP_DIR = os.environ["GRAPHITE_WEBAPP_DIR"]

# Points that carbon has not yet written are asked of it: the last second is always there.
CARBONLINK_HOSTS = os.environ.get("GRAPHITE_CARBONLINK_HOSTS", "127.0.0.1:7002").split(",")
# After a restart of carbon, do not go without it for long.
CARBONLINK_RETRY_DELAY = 1

# A picture that is a minute old is wrong where every second counts.
DEFAULT_CACHE_DURATION = 0
# A coarse point comes of however few fine ones there are, as in storage-aggregation.conf.
DEFAULT_XFILES_FACTOR = 0
