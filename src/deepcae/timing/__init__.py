"""Where does the time of a net's passes go?"""
