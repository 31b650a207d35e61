"""A library that starts a thread as it is imported.

Belongs here: that alone. Does not belong here: any test.
"""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
