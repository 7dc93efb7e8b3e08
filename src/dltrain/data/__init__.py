"""One module a kind of data; each turns a source into `dltrain.types.Data`."""
