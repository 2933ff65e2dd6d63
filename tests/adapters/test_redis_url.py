import redis

from app.adapters.redis_client import quick_client
from app.adapters.redis_url import client_of, parse_sentinel_url


def test_a_sentinel_url_names_its_sentinels_and_their_service():
    watched = parse_sentinel_url("redis+sentinel://ada:w%40rd@one:1,two,[::1]:3/main/4")
    assert watched.sentinels == [("one", 1), ("two", 26379), ("::1", 3)]
    assert watched.service == "main"
    assert watched.options == {"db": 4, "username": "ada", "password": "w@rd"}


def test_a_sentinel_has_a_password_of_its_own():
    watched = parse_sentinel_url("redis+sentinel://:word@one/main?sentinel_username=u&sentinel_password=p%26q")
    assert (watched.options["username"], watched.options["password"]) == (None, "word")
    assert (watched.sentinel_options["username"], watched.sentinel_options["password"]) == ("u", "p&q")


def test_by_tls_means_servers_and_sentinels():
    watched = parse_sentinel_url("rediss+sentinel://one/main/0?ssl_ca_certs=/ca.pem")
    for options in (watched.options, watched.sentinel_options):
        assert options["ssl_ca_certs"] == "/ca.pem"
    assert watched.secured
    assert watched.sentinel_options["ssl"]
    client = quick_client("rediss+sentinel://127.0.0.1:1/main?ssl_ca_certs=/ca.pem", "web.test")
    assert issubclass(client.connection_pool.connection_class, redis.SSLConnection)
    client.close()


def test_every_client_has_its_limits_whatever_it_is_connected_to():
    for url in ("redis://127.0.0.1:1/0", "redis+sentinel://127.0.0.1:1/main"):
        client = quick_client(url, "web.test")
        limits = client.connection_pool.connection_kwargs
        assert (limits["socket_timeout"], limits["client_name"]) == (2, "web.test")
        client.close()


def test_any_other_url_is_redis_pys_own():
    client = client_of(redis.Redis, "unix:///tmp/socket?db=3")
    assert client.connection_pool.connection_kwargs["path"] == "/tmp/socket"
    client.close()
