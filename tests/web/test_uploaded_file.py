from tests.web.bodies import content_of, environ_of, raw


def test_a_raw_body_is_the_file(blobs):
    upload = raw(blobs, environ_of(b"hello", "text/anything"), "dir/größe.txt")
    assert (upload.filename, upload.fields) == ("größe.txt", {})
    assert content_of(blobs, upload) == b"hello"
