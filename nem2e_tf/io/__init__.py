"""Reading and writing of files: storage, markers, C3D, tables, text and folders."""
