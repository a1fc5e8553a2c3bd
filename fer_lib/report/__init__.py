#: Of the pages: raised when the same results are shown otherwise. Templates count by content.
VERSION = 4
