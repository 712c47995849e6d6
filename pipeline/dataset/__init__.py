"""How the visibilities are kept: schema, writer, reader, manifest."""
