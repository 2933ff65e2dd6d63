"""The secrets that tests of guarded addresses set; shapes as `./run` makes them."""

from pydantic import SecretStr

ADMIN_TOKEN = "9f2c-admin-token-of-the-tests"
CRON_SECRET = "41bd-cron-secret-of-the-tests"
SECRETS = {"admin_token": SecretStr(ADMIN_TOKEN), "cron_secret": SecretStr(CRON_SECRET)}
AS_ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
AS_CRON = {"Authorization": f"Bearer {CRON_SECRET}"}
