# Varnish before Stanchion, all of it: tested with 7.1.1 (`make test-proxies` runs this file). See docs/proxies.md.
#   varnishd -a :80 -f varnish.vcl -p pipe_timeout=75
vcl 4.1;

import std;

backend stanchion {
    .host = "127.0.0.1";
    .port = "8080";
    .connect_timeout = 2s;
    # Longer than the longest silence, 25 s (a heartbeat). The default, 60 s, does as well.
    .first_byte_timeout = 75s;
    .between_bytes_timeout = 75s;
}

sub vcl_recv {
    # WebSockets. X-Forwarded-For has the peer's address behind what the client wrote, by default.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # Nothing of the line is anybody else's; the page's own files may be kept.
    if (req.url ~ "^/api/") {
        return (pass);
    }
}

# What a browser that opens a page sees while no gateway answers. It tries again by itself.
#   stanchion web-client export /srv/stanchion
sub vcl_backend_error {
    if (bereq.http.Accept ~ "text/html" && bereq.url !~ "^/api/") {
        set beresp.http.Content-Type = "text/html; charset=utf-8";
        if (bereq.http.Accept-Language ~ "(?i)^th") {
            set beresp.body = std.fileread("/srv/stanchion/unavailable.th.html");
        } else {
            set beresp.body = std.fileread("/srv/stanchion/unavailable.en.html");
        }
        return (deliver);
    }
}

sub vcl_pipe {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
}
